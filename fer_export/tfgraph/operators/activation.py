"""Activations with parameters, and softmax."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32, Array
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.operators.elementwise import aligned, pointwise
from fer_export.tfgraph.registry import operator

_LIMIT = float(np.finfo(np.float32).max)


@operator("LeakyRelu", attributes=("alpha",), since=6)
def leaky_relu(call: Call) -> Value:
    """x, or alpha · x where x is negative."""
    alpha = float(call.attribute("alpha", 0.01))
    return pointwise(call, lambda x: call.builder.emit(call.name, "LeakyRelu", (x,), {"alpha": alpha}))


@operator("Elu", attributes=("alpha",), since=6)
def elu(call: Call) -> Value:
    """x, or alpha · (exp(x) - 1) where x is negative."""
    alpha = float(call.attribute("alpha", 1.0))
    if alpha == 1.0:
        return pointwise(call, lambda x: call.builder.emit(call.name, "Elu", (x,)))
    return pointwise(call, lambda x: _elu(call, x, alpha))


@operator("Selu", attributes=("alpha", "gamma"), since=6)
def selu(call: Call) -> Value:
    """gamma · elu(x, alpha)."""
    alpha, gamma = (
        call.attribute("alpha", 1.67326319217681884765625),
        call.attribute("gamma", 1.05070102214813232421875),
    )
    return pointwise(call, lambda x: call.tf("Mul", _elu(call, x, alpha), float(gamma)))


@operator("Gelu", attributes=("approximate",), since=20)
def gelu(call: Call) -> Value:
    """x · Φ(x), or its approximation by tanh (https://arxiv.org/abs/1606.08415)."""

    def build(x: str) -> str:
        if call.attribute("approximate", "none") == "tanh":
            cube = call.tf("Mul", call.tf("Mul", call.tf("Square", x), x), 0.044715)
            inner = call.tf("Tanh", call.tf("Mul", call.tf("AddV2", x, cube), sqrt(2 / pi)))
        else:
            inner = call.tf("Erf", call.tf("Mul", x, sqrt(0.5)))
        return call.tf("Mul", call.tf("Mul", x, 0.5), call.tf("AddV2", inner, 1.0))

    return pointwise(call, build)


@operator("PRelu", since=7)
def prelu(call: Call) -> Value:
    """A slope for each channel is one node, `Prelu`, of TF.js's graph executor; any other slope takes three."""
    x, slope = call.value(0), call.value(1)
    known = slope.constant
    if known is None or sum(size != 1 for size in known.shape) > 1:
        (tensor, factor), layout = aligned(call, [x, slope])
        below = call.tf("Mul", call.tf("Minimum", tensor, 0.0), factor)
        return call.emit("AddV2", (call.tf("Relu", tensor), below), layout)
    weights = known.reshape(-1)
    tensor = call.builder.read(x, x.permutation)
    if weights.size > 1:
        # ONNX broadcasts from the right: [C, 1, 1] against [N, C, H, W], [C] against [N, C].
        axis = x.rank - slope.rank + int(np.argmax(known.shape))
        if x.axis(axis) != x.rank - 1:
            last = (*(a for a in range(x.rank) if a != axis), axis)
            tensor, x = call.builder.read(x, last), Value(x.shape, last)
    name = call.builder.constant(call.node.input[1], weights)
    return call.emit("Prelu", (tensor, name), x.permutation)


@operator("Clip", attributes=("min", "max"), since=1)
def clip(call: Call) -> Value:
    """Between two constants; 0 to 6 is Relu6, which can be fused. Bounds that are computed take two nodes."""
    bounds = [_bound(call, 1, "min"), _bound(call, 2, "max")]
    if bounds == [None, None]:
        return call.raw(0)
    known = [_number(bound) for bound in bounds if bound is None or bound.constant is not None]
    x = call.raw(0)
    if len(known) < 2 or x.dtype != FLOAT:
        x = call.value(0)
        tensor = call.builder.read(x)
        for bound, op in zip(bounds, ("Maximum", "Minimum"), strict=True):
            if bound is not None:
                tensor = call.tf(op, tensor, call.builder.read(bound))
        return call.result(tensor, x.permutation)
    low, high = (default if np.isnan(value) else value for value, default in zip(known, (-np.inf, np.inf), strict=True))
    if (low, high) in ((0.0, 6.0), (0.0, np.inf)):
        return pointwise(call, lambda t: call.builder.emit(call.name, "Relu6" if high == 6.0 else "Relu", (t,)))
    # Where the lowest exceeds the highest, ONNX gives the highest.
    low, high = float(np.clip(min(low, high), -_LIMIT, _LIMIT)), float(np.clip(high, -_LIMIT, _LIMIT))
    return pointwise(call, lambda t: call.builder.emit(
        call.name, "ClipByValue", (t, call.builder.scalar(low), call.builder.scalar(high))))  # fmt: skip


@operator("HardSigmoid", attributes=("alpha", "beta"), since=6)
def hard_sigmoid(call: Call) -> Value:
    """max(0, min(1, alpha · x + beta)). By 1/6 and 1/2 it is relu6(x + 3) / 6."""
    alpha, beta = float(call.attribute("alpha", 0.2)), float(call.attribute("beta", 0.5))
    if np.isclose(alpha, 1 / 6) and beta == 0.5:
        return pointwise(call, lambda x: _sixth(call, x))

    def build(x: str) -> str:
        moved = call.tf("AddV2", call.tf("Mul", x, alpha), beta)
        return call.tf("ClipByValue", moved, 0.0, 1.0)

    return pointwise(call, build)


@operator("HardSwish", since=14)
def hard_swish(call: Call) -> Value:
    """x · max(0, min(1, x / 6 + 1/2)), as x · relu6(x + 3) / 6."""
    return pointwise(call, lambda x: call.tf("Mul", x, _sixth(call, x)))


@operator("ThresholdedRelu", attributes=("alpha",), since=10)
def thresholded_relu(call: Call) -> Value:
    """x where it exceeds alpha, else 0."""
    alpha = float(call.attribute("alpha", 1.0))
    return pointwise(call, lambda x: call.tf("Mul", x, cast(call, call.tf("Greater", x, alpha, dtype=BOOL), FLOAT)))


@operator("Shrink", attributes=("bias", "lambd"), since=9)
def shrink(call: Call) -> Value:
    """Towards zero by the bias where x is further from it than lambd, else 0."""
    limit, bias = float(call.attribute("lambd", 0.5)), float(call.attribute("bias", 0.0))

    def build(x: str) -> str:
        above = cast(call, call.tf("Greater", x, limit, dtype=BOOL), FLOAT)
        below = cast(call, call.tf("Less", x, -limit, dtype=BOOL), FLOAT)
        lower = call.tf("Mul", call.tf("AddV2", x, bias), below)
        return call.tf("AddV2", call.tf("Mul", call.tf("Sub", x, bias), above), lower)

    return pointwise(call, build)


@operator("Softmax", "LogSoftmax", attributes=("axis",))
def softmax(call: Call) -> Value:
    """TF.js knows it on the last axis only. Before opset 13 ONNX takes all axes from `axis` on as one."""
    x = call.value(0)
    axis = call.axis(x, -1 if call.opset >= 13 else 1)
    if call.opset < 13 and axis != x.rank - 1:
        return _coerced(call, x, axis)
    layout = x.permutation
    if layout[-1:] != (axis,):
        layout = (*(a for a in identity(x.rank) if a != axis), axis)
    return call.emit(call.node.op_type, (call.builder.read(x, layout),), layout)


@operator("Hardmax", attributes=("axis",), since=13)
def hardmax(call: Call) -> Value:
    """1 at the first of the largest values along an axis, 0 elsewhere."""
    x = call.value(0)
    axis = call.axis(x, -1)
    layout = (*(a for a in identity(x.rank) if a != axis), axis)
    tensor = call.builder.read(x, layout)
    first = call.tf("ArgMax", tensor, call.builder.scalar(x.rank - 1, INT32), dtype=INT32)
    depth = call.builder.scalar(_size(call, x, axis), INT32)
    one, zero = call.builder.scalar(1, INT32), call.builder.scalar(0, INT32)
    hot = call.tf("OneHot", first, depth, one, zero, dtype=INT32, axis=-1, TI=INT32)
    return call.result(cast(call, hot, FLOAT), layout)


def _coerced(call: Call, x: Value, axis: int) -> Value:
    sizes = [_size(call, x, a) for a in range(axis, x.rank)]
    rows = call.builder.reshape(
        f"{call.name}/rows", call.builder.read(x, identity(x.rank)), (None, int(np.prod(sizes)))
    )
    tensor = call.tf(call.node.op_type, rows)
    return call.result(call.builder.reshape(call.name, tensor, x.shape))


def _size(call: Call, x: Value, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        call.fail(f"axis {axis} has a free size")
    return size


def _elu(call: Call, x: str, alpha: float) -> str:
    below = call.tf("Mul", call.tf("Sub", call.tf("Exp", call.tf("Minimum", x, 0.0)), 1.0), float(alpha))
    return call.tf("AddV2", call.tf("Relu", x), below)


def _sixth(call: Call, x: str) -> str:
    return call.tf("Mul", call.tf("Relu6", call.tf("AddV2", x, 3.0)), 1 / 6)


def _number(bound: Value | None) -> float:
    """A bound that is known; what is not there is not a number."""
    return float("nan") if bound is None or bound.constant is None else float(bound.constant.item())


def _bound(call: Call, index: int, name: str) -> Value | None:
    if call.opset < 11:
        given: Array | None = None if name not in call.attributes else np.array(call.attributes[name], np.float32)
        return None if given is None else constant(given)
    return call.optional(index)
