"""This module runs ONNX files in ONNX Runtime, with its telemetry off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError, MissingDependencyError, first_line
from fer_export.runtimes import Inputs, Outputs, Runtime, channels_first, channels_last
from fer_export.runtimes.registry import Resources, runtime


def _library() -> Any:
    # Telemetry is on by default on Linux since 1.31, and this project promises that nothing is sent.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "onnxruntime is not installed", hint="pip install 'fer-export[cpu]', or [gpu] in its place"
        ) from error
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def version() -> str:
    """Return the installed version."""
    return str(_library().__version__)


class OnnxRuntime:
    """Run an ONNX file.

    Args:
        model: the file's path, or its bytes.
        provider: an execution provider; it is an error if the session falls back to another.
        threads: the number of the session's threads; None takes one for each core.

    Raises:
        MissingDependencyError: onnxruntime or the provider is missing.
        InvalidInputError: the file is missing or cannot be opened.
    """

    name = "onnxruntime"

    def __init__(self, model: Path | bytes, provider: str = "CPUExecutionProvider", threads: int | None = None) -> None:
        library = _library()
        options = library.SessionOptions()
        options.intra_op_num_threads = threads or 0
        where = "the model" if isinstance(model, bytes) else str(model)
        try:
            self.session = library.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=[provider]
            )
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            raise InvalidInputError(f"onnxruntime cannot open {where}: {first_line(error)}") from error
        # A CUDA request falls back to the CPU with only a line in the log.
        if provider not in self.session.get_providers():
            raise MissingDependencyError(
                f"onnxruntime has no {provider} here", hint="pip uninstall onnxruntime; pip install 'fer-export[gpu]'"
            )
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name."""
        feeds = {name: channels_first(part) for name, part in inputs.items()}
        answers = self.session.run(self.outputs, feeds)
        return {name: channels_last(answer) for name, answer in zip(self.outputs, answers, strict=True)}


@runtime("onnxruntime", "onnx")
@contextmanager
def open_onnx(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open an ONNX file on the CPU."""
    yield OnnxRuntime(path)
