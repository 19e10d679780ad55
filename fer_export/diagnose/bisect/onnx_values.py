"""Every value of an ONNX model for given pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx

from fer_export.diagnose.bisect.finding import Array
from fer_export.errors import InvalidInputError, first_line
from fer_export.runtimes import Pixels, by_input, channels_first, onnxruntime_web
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

Values = dict[str, Array]


def values(model: onnx.ModelProto, pixels: Pixels) -> Values:
    """All inputs and outputs of all nodes but constants, by name, in ONNX's order.

    Args:
        model: whose inner values become outputs; ONNX Runtime then fuses nothing across them.
        pixels: [N, H, W, C], 0–255, as the runtimes take them.

    Raises:
        InvalidInputError: ONNX Runtime cannot open or run it.
    """
    fed = {name: channels_first(part) for name, part in by_input(pixels, model.graph.input[0].name).items()}
    return {**fed, **run(_opened(model), fed)}


def values_in_browser(model: onnx.ModelProto, pixels: Pixels, browser: Browser) -> Values:
    """The same of onnxruntime-web, and of floating-point values alone.

    Raises:
        InvalidInputError, ParityError: it cannot open or run it.
    """
    known = {name: array.dtype.name for name, array in values(model, pixels).items()}
    fitting = _opened(model, [name for name, kind in known.items() if kind == "float32"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(fitting.SerializeToString())
        with onnxruntime_web.model(browser, path) as runtime:
            return {name: in_onnx(answer) for name, answer in runtime(pixels).items()}


def _opened(model: onnx.ModelProto, names: Collection[str] | None = None) -> onnx.ModelProto:
    """A copy whose inner values are outputs: all, or those named."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {entry.name for entry in model.graph.output}
    inner = [name for node in model.graph.node for name in node.output if name and name not in known]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner if names is None or name in names)
    return copy


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> Values:
    """The outputs of a model as they are.

    Raises:
        InvalidInputError: as for `values`.
    """
    runtime = OnnxRuntime(model.SerializeToString())
    try:
        answers = runtime.session.run(runtime.outputs, dict(feeds))
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        raise InvalidInputError(f"onnxruntime cannot run the model: {first_line(error)}") from error
    return dict(zip(runtime.outputs, answers, strict=True))


def numeric(array: Array | None) -> bool:
    """Whether a value is there and can be compared."""
    return array is not None and array.dtype.kind in "fiub"


def in_onnx(answer: Array) -> Array:
    """An output of a runtime, channels last, as ONNX has it."""
    return np.moveaxis(answer, -1, 1) if answer.ndim > 2 else answer
