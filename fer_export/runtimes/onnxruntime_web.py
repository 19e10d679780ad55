"""This module runs ONNX files in ONNX Runtime Web in headless Chromium: its wasm build with SIMD, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError, ParityError, first_line
from fer_export.runtimes import Inputs, Outputs, Runtime, channels_first, channels_last
from fer_export.runtimes.headless import ASSETS_URL, Headless, packed, unpacked
from fer_export.runtimes.registry import Resources, runtime

NAME = "onnxruntime-web"


class OnnxRuntimeWeb:
    """Run an ONNX file in the browser; `model` makes it."""

    name = NAME

    def __init__(self, page: Any, url: str) -> None:
        self._page = page
        self._url = url

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name.

        Raises:
            ParityError: ONNX Runtime fails to run the model.
        """
        from playwright.sync_api import Error

        feeds = {name: packed(channels_first(part)) for name, part in inputs.items()}
        try:
            answers = unpacked(self._page.evaluate("job => harness.run(...job)", [self._url, feeds]))
        except Error as error:
            raise ParityError(f"{self.name} cannot run the model: {first_line(error)}") from error
        return {name: channels_last(answer) for name, answer in answers.items()}


@contextmanager
def model(browser: Headless, path: Path) -> Iterator[OnnxRuntimeWeb]:
    """Open a runtime for an ONNX file.

    Raises:
        InvalidInputError: ONNX Runtime cannot open the file.
        MissingDependencyError: Playwright, Chromium or the built harness is missing.
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
