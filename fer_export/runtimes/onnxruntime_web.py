"""ONNX Runtime Web in headless Chromium: its wasm build with SIMD, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError, ParityError, first_line
from fer_export.runtimes import Answers, Pixels, Runtime, by_input, channels_first, channels_last
from fer_export.runtimes.headless import ASSETS_URL, Headless, packed, unpacked
from fer_export.runtimes.registry import Resources, runtime

NAME = "onnxruntime-web"


class OnnxRuntimeWeb:
    """An ONNX file in the browser. `model` makes it."""

    name = NAME

    def __init__(self, page: Any, url: str) -> None:
        self._page = page
        self._url = url

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last.

        Raises:
            ParityError: ONNX Runtime fails on it.
        """
        from playwright.sync_api import Error

        # The harness knows the input of a net that has but one.
        inputs = {name: packed(channels_first(part)) for name, part in by_input(pixels, "").items()}
        try:
            answers = unpacked(self._page.evaluate("job => harness.run(...job)", [self._url, inputs]))
        except Error as error:
            raise ParityError(f"{self.name} cannot run the model: {first_line(error)}") from error
        return {name: channels_last(answer) for name, answer in answers.items()}


@contextmanager
def model(browser: Headless, path: Path) -> Iterator[OnnxRuntimeWeb]:
    """A runtime for an ONNX file.

    Raises:
        InvalidInputError: ONNX Runtime cannot open it.
        MissingDependencyError: Playwright, Chromium or the built harness is not there.
    """
    page = browser.page(NAME, "harness-onnx.js")
    from playwright.sync_api import Error

    url = browser.publish(path)
    try:
        page.evaluate("job => harness.load(...job)", [url, ASSETS_URL])
    except Error as error:
        raise InvalidInputError(f"{NAME} cannot open {path}: {first_line(error)}") from error
    try:
        yield OnnxRuntimeWeb(page, url)
    finally:
        page.evaluate("url => harness.unload(url)", url)


@runtime(NAME, "onnx", order=1)
@contextmanager
def open_onnx(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open an ONNX file in the browser."""
    with model(resources.browser, path) as opened:
        yield opened
