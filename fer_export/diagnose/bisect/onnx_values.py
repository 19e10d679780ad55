"""This module computes every value of an ONNX model for given inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx

from fer_export.diagnose.bisect.finding import Array
from fer_export.errors import InvalidInputError, first_line
from fer_export.runtimes import Inputs, channels_first, onnxruntime_web
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

Values = dict[str, Array]


def values(model: onnx.ModelProto, inputs: Inputs) -> Values:
    """Return all inputs of the model and all outputs of nodes, without constants, by name, in ONNX's order.

    Args:
        model: its inner values become outputs, so ONNX Runtime fuses nothing across them.
        inputs: [N, …, C] by name, as the runtimes take them.

    Raises:
        InvalidInputError: ONNX Runtime cannot open or run it.
    """
    fed = {name: channels_first(part) for name, part in inputs.items()}
    return {**fed, **run(_opened(model), fed)}


def values_in_browser(model: onnx.ModelProto, inputs: Inputs, browser: Browser) -> Values:
    """Return the same from onnxruntime-web, for floating-point values only.

    Raises:
        InvalidInputError, ParityError: onnxruntime-web cannot open or run the model.
    """
    known = {name: array.dtype.name for name, array in values(model, inputs).items()}
    fitting = _opened(model, [name for name, kind in known.items() if kind == "float32"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(fitting.SerializeToString())
        with onnxruntime_web.model(browser, path) as runtime:
            return {name: in_onnx(answer) for name, answer in runtime(inputs).items()}


def _opened(model: onnx.ModelProto, names: Collection[str] | None = None) -> onnx.ModelProto:
    """Return a copy whose inner values, all or those named, are outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {entry.name for entry in model.graph.output}
    inner = [name for node in model.graph.node for name in node.output if name and name not in known]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner if names is None or name in names)
    return copy


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> Values:
    """Return the outputs of a model in its own layout.

    Raises:
        InvalidInputError: the same as for `values`.
    """
    runtime = OnnxRuntime(model.SerializeToString())
    try:
        answers = runtime.session.run(runtime.outputs, dict(feeds))
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        raise InvalidInputError(f"onnxruntime cannot run the model: {first_line(error)}") from error
    return dict(zip(runtime.outputs, answers, strict=True))


def numeric(array: Array | None) -> bool:
    """Return whether a value exists and can be compared."""
    return array is not None and array.dtype.kind in "fiub"


def in_onnx(answer: Array) -> Array:
    """Return a runtime's output, channels last, in ONNX's layout."""
    return np.moveaxis(answer, -1, 1) if answer.ndim > 2 else answer
