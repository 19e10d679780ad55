"""This module opens pages in headless Chromium, through Playwright, that load only the files given to them."""

from __future__ import annotations

import base64
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import numpy as np

from fer_export.errors import MissingDependencyError, first_line
from fer_export.runtimes import Array, Outputs, chromium, driver, typed

#: `_serve` answers this address from files; no socket is opened, and every other address is blocked.
_ORIGIN = "http://localhost"
#: The address under which a page finds wasm files.
ASSETS_URL = f"{_ORIGIN}/assets/"
ASSETS = Path(__file__).parent / "browser"
#: Chromium without a GPU has WebGPU only with this flag. Results of wasm, webgl and cpu are the same to the bit.
_FLAGS = ("--enable-unsafe-webgpu",)
#: In an isolated page the clock has steps of 5 µs; elsewhere of 100 µs, which is too coarse for a small net.
_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
_TYPES = {".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm"}


class Headless:
    """Hold one headless Chromium. Use it in a `with` statement; it starts when it is first used."""

    def __init__(self) -> None:
        self._playwright: Any = None
        self._chromium: Any = None
        self._pages: dict[str, Any] = {}
        self._published: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._chromium is not None:
                self._chromium.close()
        finally:
            if self._playwright is not None:
                driver.release()

    def page(self, name: str, script: str) -> Any:
        """Return the page of this name; a new one is isolated and runs a script of `fer_export/runtimes/browser`.

        Raises:
            MissingDependencyError: Playwright, Chromium or the built script is missing.
        """
        if name not in self._pages:
            if not (ASSETS / script).is_file():
                raise MissingDependencyError(f"{ASSETS / script} is not built", hint="make web")
            page = self._started().new_page()
            page.route("**/*", self._serve)
            page.goto(f"{_ORIGIN}/pages/{script}")
            self._pages[name] = page
        return self._pages[name]

    def publish(self, path: Path) -> str:
        """Return an address at which pages find a file, or the files of a folder."""
        self._published.append(path)
        return f"{_ORIGIN}/{len(self._published) - 1}"

    def _started(self) -> Any:
        if self._chromium is None:
            # Playwright comes first, since no browser helps without it.
            if self._playwright is None:
                self._playwright = driver.acquire()
            path = chromium.find()
            flags = [*chromium.ARGUMENTS, *_FLAGS]
            from playwright.sync_api import Error

            try:
                self._chromium = self._playwright.chromium.launch(executable_path=path, args=flags)
            except Error as error:
                raise MissingDependencyError(
                    f"{path} does not start as a browser: {first_line(error)}",
                    hint=f"fer-export browser --install, or set {chromium.VARIABLE} to another browser's path",
                ) from error
        return self._chromium

    def _serve(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        first, _, rest = unquote(address.path).strip("/").partition("/")
        if f"{address.scheme}://{address.netloc}" != _ORIGIN:
            route.abort()
            return
        if first == "pages":
            html = f"<!doctype html><script src='/assets/{rest}'></script>"
            route.fulfill(content_type="text/html", headers=_ISOLATED, body=html)
            return
        path = self._file(first, Path(rest).name)
        if path is None or not path.is_file():
            route.abort()
            return
        route.fulfill(content_type=_TYPES.get(path.suffix, "application/octet-stream"), body=path.read_bytes())

    def _file(self, first: str, name: str) -> Path | None:
        if first == "assets":
            return ASSETS / name
        if not first.isdecimal() or int(first) >= len(self._published):
            return None
        published = self._published[int(first)]
        return published / name if published.is_dir() else published


def packed(part: Array) -> dict[str, Any]:
    """Pack a tensor for a page; see `web/harness/packed.ts`."""
    values = typed(part)
    data = base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode()
    return {"shape": list(values.shape), "dtype": values.dtype.name, "data": data}


def unpacked(answers: dict[str, Any]) -> Outputs:
    """Unpack the tensors that a page returns, by name."""
    return {
        name: np.frombuffer(base64.b64decode(answer["data"]), "<f4").reshape(answer["shape"])
        for name, answer in answers.items()
    }
