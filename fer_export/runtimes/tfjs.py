"""This module runs TF.js models in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError, MissingDependencyError, ParityError, first_line
from fer_export.runtimes import Inputs, Outputs, Runtime
from fer_export.runtimes.headless import ASSETS_URL, Headless, packed, unpacked
from fer_export.runtimes.registry import Opener, Resources, runtime

BACKENDS = ("wasm", "webgl", "webgpu", "cpu")


class Browser(Headless):
    """Hold one headless Chromium with TF.js in it. Use it in a `with` statement; it starts when it is first used.

    Raises:
        MissingDependencyError: Playwright, Chromium or the built harness is missing; raised on first use.
    """

    def __init__(self) -> None:
        super().__init__()
        #: The TF.js page that was used last.
        self._page: Any = None
        self._ready: set[str] = set()

    @property
    def tfjs_version(self) -> str:
        """Return the version of TF.js in the harness."""
        return str(self._any_page().evaluate("harness.version"))

    @contextmanager
    def open(self, directory: Path, backend: str) -> Iterator[TfjsRuntime]:
        """Open a runtime for the model in a folder, loaded by TF.js's own loader.

        Models on different backends may be open at once, since each backend has a page of its own.

        Raises:
            MissingDependencyError: the backend cannot be started here.
            InvalidInputError: TF.js cannot load the model.
        """
        page = self._page_of(backend)
        from playwright.sync_api import Error

        if backend not in self._ready:
            # Where a backend fails, TF.js silently takes another one.
            try:
                active = page.evaluate("([b, w]) => harness.setup(b, w)", [backend, ASSETS_URL])
            except Error as error:
                raise MissingDependencyError(f"tfjs-{backend} cannot be had here: {first_line(error)}") from error
            if active != backend:
                raise MissingDependencyError(
                    f"tfjs-{backend} cannot be had here: this browser's TF.js falls back to {active or 'nothing'}"
                )
            self._ready.add(backend)
        url = f"{self.publish(directory)}/model.json"
        try:
            page.evaluate("url => harness.load(url)", url)
        except Error as error:
            raise InvalidInputError(f"TF.js cannot load {directory}: {first_line(error)}") from error
        try:
            yield TfjsRuntime(page, url, backend)
        finally:
            page.evaluate("url => harness.unload(url)", url)

    @property
    def renderer(self) -> str:
        """Return the name of WebGL's renderer; it is empty where the browser does not give it."""
        return str(self._any_page().evaluate("harness.renderer()"))

    def time(
        self, runtimes: Sequence[TfjsRuntime], inputs: Sequence[Inputs], turns: int
    ) -> list[list[tuple[float, float]]]:
        """Execute models in turn inside the page, `turns` times each: first, second, first, second, …

        Args:
            runtimes: open models of this browser, all on one backend.
            inputs: the inputs for each of them, [N, …, C] by name.

        Returns:
            For each model, the begin and end of its executions in milliseconds. The read-back of all outputs counts,
            the upload of the inputs does not.

        Raises:
            ParityError: TF.js fails to run a model.
        """
        from playwright.sync_api import Error

        jobs = [runtime.job(each) for runtime, each in zip(runtimes, inputs, strict=True)]
        try:
            spans = runtimes[0].page.evaluate("([jobs, turns]) => harness.time(jobs, turns)", [jobs, turns])
        except Error as error:
            raise ParityError(f"TF.js cannot run the models: {first_line(error)}") from error
        return [[(start, end) for start, end in each] for each in spans]

    def _any_page(self) -> Any:
        return self._page or self._page_of("wasm")

    def _page_of(self, backend: str) -> Any:
        self._page = self.page(f"tfjs-{backend}", "harness.js")
        return self._page


class TfjsRuntime:
    """Run a model in the browser; `Browser.open` makes it."""

    def __init__(self, page: Any, url: str, backend: str) -> None:
        self.page = page
        self._url = url
        self.name = f"tfjs-{backend}"

    def job(self, inputs: Inputs) -> list[Any]:
        """Pack the model and its inputs [N, …, C] by name as the harness takes them."""
        return [self._url, {name: packed(part) for name, part in inputs.items()}]

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name.

        Raises:
            ParityError: TF.js fails to run the model.
        """
        from playwright.sync_api import Error

        try:
            return unpacked(self.page.evaluate("job => harness.run(...job)", self.job(inputs)))
        except Error as error:
            raise ParityError(f"{self.name} cannot run the model: {first_line(error)}") from error


def _opener(backend: str) -> Opener:
    @contextmanager
    def open_tfjs(path: Path, resources: Resources) -> Iterator[Runtime]:
        with resources.browser.open(path if path.is_dir() else path.parent, backend) as opened:
            yield opened

    return open_tfjs


for _order, _backend in enumerate(BACKENDS):
    runtime(f"tfjs-{_backend}", "tfjs", _order)(_opener(_backend))
