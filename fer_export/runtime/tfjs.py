"""TF.js in headless Chromium, through Playwright."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from fer_export.errors import InvalidInputError, MissingDependencyError, ParityError, first_line
from fer_export.runtime import Answers, Pixels, by_input, chromium

BACKENDS = ("wasm", "webgl", "cpu")
#: Answered from files by `_serve`; no socket is opened and nothing else is let out.
_ORIGIN = "http://localhost"
_ASSETS = Path(__file__).parent / "browser"
#: In an isolated page the clock ticks every 5 µs; elsewhere every 100 µs, too coarse for a small net.
_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
_TYPES = {".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm"}


class Browser:
    """One headless Chromium with TF.js in it. Use it in a `with` statement; it starts when first used.

    Raises:
        MissingDependencyError: on first use, where Playwright, Chromium or the built harness is not there.
    """

    def __init__(self) -> None:
        self._playwright: Any = None
        self._browser: Any = None
        self._page: Any = None
        self._folders: dict[str, Path] = {}
        self._backend = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()

    @property
    def tfjs_version(self) -> str:
        """The version of TF.js in the harness."""
        return str(self._started().evaluate("harness.version"))

    @contextmanager
    def open(self, directory: Path, backend: str) -> Iterator[TfjsRuntime]:
        """A runtime for the model in a folder, loaded by TF.js's own loader.

        Raises:
            ParityError: the backend cannot be had, so that nothing can be shown.
            InvalidInputError: TF.js cannot load the model.
        """
        from playwright.sync_api import Error

        page = self._started()
        if backend != self._backend:
            active = page.evaluate("([b, w]) => harness.setup(b, w)", [backend, f"{_ORIGIN}/assets/"])
            if active != backend:
                raise ParityError(f"TF.js has no backend {backend} in this browser (it runs {active or 'none'})")
            self._backend = backend
        key = f"model{len(self._folders)}"
        self._folders[key] = directory
        url = f"{_ORIGIN}/{key}/model.json"
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
        """What WebGL draws with, as the browser names it; empty where it does not tell."""
        return str(self._started().evaluate("harness.renderer()"))

    def time(
        self, runtimes: Sequence[TfjsRuntime], pixels: Sequence[Pixels], turns: int
    ) -> list[list[tuple[float, float]]]:
        """Execute models in turn inside the page, `turns` times each: first, second, first, second, …

        Args:
            runtimes: open, of this browser.
            pixels: for each of them, [N, H, W, C], 0–255.

        Returns:
            For each of them when its executions began and ended, in milliseconds: with the read-back of all
            outputs, without the upload of the pixels.

        Raises:
            ParityError: TF.js fails on it.
        """
        from playwright.sync_api import Error

        jobs = [runtime.job(each) for runtime, each in zip(runtimes, pixels, strict=True)]
        try:
            spans = self._started().evaluate("([jobs, turns]) => harness.time(jobs, turns)", [jobs, turns])
        except Error as error:
            raise ParityError(f"TF.js cannot run the models: {first_line(error)}") from error
        return [[(start, end) for start, end in each] for each in spans]

    def _started(self) -> Any:
        if self._page is not None:
            return self._page
        if not (_ASSETS / "harness.js").is_file():
            raise MissingDependencyError(f"{_ASSETS}/harness.js is not built", hint="make web")
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise MissingDependencyError(
                "playwright is not installed", hint="pip install 'fer-export[browser]'"
            ) from error
        path = chromium.find()
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=path, args=list(chromium.ARGUMENTS))
        page = self._browser.new_page()
        page.route("**/*", self._serve)
        page.goto(f"{_ORIGIN}/harness.html")
        self._page = page
        return page

    def _serve(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        folder, _, name = address.path.strip("/").partition("/")
        if route.request.url == f"{_ORIGIN}/harness.html":
            html = "<!doctype html><script src='/assets/harness.js'></script>"
            route.fulfill(content_type="text/html", headers=_ISOLATED, body=html)
            return
        root = _ASSETS if folder == "assets" else self._folders.get(folder)
        path = None if root is None else root / Path(name).name
        if f"{address.scheme}://{address.netloc}" != _ORIGIN or path is None or not path.is_file():
            route.abort()
            return
        route.fulfill(content_type=_TYPES.get(path.suffix, "application/octet-stream"), body=path.read_bytes())


class TfjsRuntime:
    """A model in the browser. `Browser.open` makes it."""

    def __init__(self, page: Any, url: str, backend: str) -> None:
        self._page = page
        self._url = url
        self.name = f"tfjs-{backend}"

    def job(self, pixels: Pixels) -> list[Any]:
        """[N, H, W, C], 0–255 → the model and its inputs, as the harness takes them."""
        # TF.js finds the input of a net that has but one by itself.
        return [self._url, {name: _tensor(part) for name, part in by_input(pixels, "").items()}]

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last.

        Raises:
            ParityError: TF.js fails on it.
        """
        from playwright.sync_api import Error

        try:
            answers = self._page.evaluate("job => harness.run(...job)", self.job(pixels))
        except Error as error:
            raise ParityError(f"{self.name} cannot run the model: {first_line(error)}") from error
        return {
            name: np.frombuffer(base64.b64decode(answer["data"]), "<f4").reshape(answer["shape"])
            for name, answer in answers.items()
        }


def _tensor(pixels: Pixels) -> dict[str, Any]:
    """A tensor on its way to the harness."""
    data = base64.b64encode(np.ascontiguousarray(pixels, "<f4").tobytes()).decode()
    return {"shape": list(pixels.shape), "data": data}
