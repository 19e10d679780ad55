"""Activations with parameters, and softmax."""

from __future__ import annotations

import numpy as np

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.layout import Value, identity
from fer_export.export.graphdef.operators.elementwise import pointwise
from fer_export.export.graphdef.registry import operator


@operator("LeakyRelu", attributes=("alpha",))
def leaky_relu(call: Call) -> Value:
    """x, or alpha · x where x is negative."""
    return pointwise(call, "LeakyRelu", alpha=float(call.attribute("alpha", 0.01)))


@operator("Elu", attributes=("alpha",))
def elu(call: Call) -> Value:
    """x, or exp(x) - 1 where x is negative."""
    if call.attribute("alpha", 1.0) != 1.0:
        call.fail(f"alpha {call.attribute('alpha', 1.0)} is not known (only 1)")
    return pointwise(call, "Elu")


@operator("PRelu")
def prelu(call: Call) -> Value:
    """A slope for each channel. `Prelu` is an operator of TF.js's graph executor, not of TensorFlow."""
    x, slope = call.value(0), call.optional(1)
    if slope is None or slope.constant is None:
        call.fail("its slope has to be a constant")
    tensor = call.builder.read(x, x.permutation)
    weights = np.squeeze(slope.constant) if slope.constant.size > 1 else slope.constant.reshape(1)
    if weights.ndim != 1:
        call.fail(f"a slope of shape {list(slope.shape)} is not known (only one for each channel)")
    if weights.size > 1:
        # ONNX broadcasts from the right: [C, 1, 1] against [N, C, H, W], [C] against [N, C].
        axis = x.rank - slope.rank + int(np.argmax(slope.constant.shape))
        if x.axis(axis) != x.rank - 1:
            last = (*(a for a in range(x.rank) if a != axis), axis)
            tensor, x = call.builder.read(x, last), Value(x.shape, last)
    name = call.builder.constant(call.node.input[1], weights)
    return call.emit("Prelu", (tensor, name), x.permutation)


@operator("Clip", attributes=("min", "max"))
def clip(call: Call) -> Value:
    """Between two constants; 0 to 6 is Relu6, which can be fused."""
    low, high = _bound(call, 1, "min", -np.inf), _bound(call, 2, "max", np.inf)
    if (low, high) == (0.0, 6.0):
        return pointwise(call, "Relu6")
    if (low, high) == (0.0, np.inf):
        return pointwise(call, "Relu")
    x = call.value(0)
    tensor = call.builder.read(x, x.permutation)
    limit = np.finfo(np.float32).max
    bounds = [call.builder.constant(f"{call.name}/{name}", np.array(np.clip(value, -limit, limit), np.float32))
              for name, value in (("min", low), ("max", high))]  # fmt: skip
    return call.emit("ClipByValue", (tensor, *bounds), x.permutation)


@operator("HardSigmoid", attributes=("alpha", "beta"))
def hard_sigmoid(call: Call) -> Value:
    """max(0, min(1, alpha · x + beta))."""
    x = call.value(0)
    return _hard(call, x, call.attribute("alpha", 0.2), call.attribute("beta", 0.5), 1.0)


@operator("HardSwish")
def hard_swish(call: Call) -> Value:
    """x · max(0, min(1, x / 6 + 1/2)), as x · relu6(x + 3) / 6."""
    x = call.value(0)
    tensor = call.builder.read(x, x.permutation)
    three = call.builder.constant(f"{call.name}/three", np.array(3, np.float32))
    sixth = call.builder.constant(f"{call.name}/sixth", np.array(1 / 6, np.float32))
    shifted = call.emit("AddV2", (tensor, three), x.permutation, suffix="/add")
    gate = call.emit("Relu6", (shifted.tensor,), x.permutation, suffix="/relu6")
    scaled = call.emit("Mul", (gate.tensor, sixth), x.permutation, suffix="/scale")
    return call.emit("Mul", (tensor, scaled.tensor), x.permutation)


@operator("Softmax", "LogSoftmax", attributes=("axis",))
def softmax(call: Call) -> Value:
    """TF.js knows it on the last axis only. Before opset 13 ONNX flattens from `axis` on."""
    x = call.value(0)
    axis = call.attribute("axis", -1 if call.opset >= 13 else 1) % x.rank
    if call.opset < 13 and axis != x.rank - 1:
        call.fail(f"axis {axis} of {x.rank} before opset 13 is not known")
    layout = x.permutation
    if layout[-1] != axis or x.columns is not None:
        layout = (*(a for a in identity(x.rank) if a != axis), axis)
    return call.emit(call.node.op_type, (call.builder.read(x, layout),), layout)


def _bound(call: Call, index: int, name: str, default: float) -> float:
    if call.opset < 11:
        return float(call.attribute(name, default))
    return float(call.constant(index, np.array(default)).reshape(()))


def _hard(call: Call, x: Value, alpha: float, beta: float, limit: float) -> Value:
    tensor = call.builder.read(x, x.permutation)
    values = {"alpha": alpha, "beta": beta, "zero": 0.0, "limit": limit}
    names = {n: call.builder.constant(f"{call.name}/{n}", np.array(v, np.float32)) for n, v in values.items()}
    scaled = call.emit("Mul", (tensor, names["alpha"]), x.permutation, suffix="/mul")
    moved = call.emit("AddV2", (scaled.tensor, names["beta"]), x.permutation, suffix="/add")
    return call.emit("ClipByValue", (moved.tensor, names["zero"], names["limit"]), x.permutation)
