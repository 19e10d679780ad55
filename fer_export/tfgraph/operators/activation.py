"""This module converts activations with parameters, and softmax."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32, Array
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.operators.elementwise import aligned, pointwise
from fer_export.tfgraph.registry import operator

_LIMIT = float(np.finfo(np.float32).max)


@operator("LeakyRelu", attributes=("alpha",), since=6)
def leaky_relu(context: NodeContext) -> Value:
    """Compute x, or alpha · x where x is negative."""
    alpha = float(context.attribute("alpha", 0.01))
    return pointwise(context, lambda x: context.builder.emit(context.name, "LeakyRelu", (x,), {"alpha": alpha}))


@operator("Elu", attributes=("alpha",), since=6)
def elu(context: NodeContext) -> Value:
    """Compute x, or alpha · (exp(x) - 1) where x is negative."""
    alpha = float(context.attribute("alpha", 1.0))
    if alpha == 1.0:
        return pointwise(context, lambda x: context.builder.emit(context.name, "Elu", (x,)))
    return pointwise(context, lambda x: _elu(context, x, alpha))


@operator("Selu", attributes=("alpha", "gamma"), since=6)
def selu(context: NodeContext) -> Value:
    """Compute gamma · elu(x, alpha)."""
    alpha, gamma = (
        context.attribute("alpha", 1.67326319217681884765625),
        context.attribute("gamma", 1.05070102214813232421875),
    )
    return pointwise(context, lambda x: context.tf("Mul", _elu(context, x, alpha), float(gamma)))


@operator("Gelu", attributes=("approximate",), since=20)
def gelu(context: NodeContext) -> Value:
    """Compute x · Φ(x), or its approximation by tanh (https://arxiv.org/abs/1606.08415)."""

    def build(x: str) -> str:
        if context.attribute("approximate", "none") == "tanh":
            cube = context.tf("Mul", context.tf("Mul", context.tf("Square", x), x), 0.044715)
            inner = context.tf("Tanh", context.tf("Mul", context.tf("AddV2", x, cube), sqrt(2 / pi)))
        else:
            inner = context.tf("Erf", context.tf("Mul", x, sqrt(0.5)))
        return context.tf("Mul", context.tf("Mul", x, 0.5), context.tf("AddV2", inner, 1.0))

    return pointwise(context, build)


@operator("PRelu", since=7)
def prelu(context: NodeContext) -> Value:
    """Write one `Prelu` node for a slope for each channel, and three nodes for any other slope."""
    x, slope = context.value(0), context.value(1)
    known = slope.constant
    if known is None or sum(size != 1 for size in known.shape) > 1:
        (tensor, factor), layout = aligned(context, [x, slope])
        below = context.tf("Mul", context.tf("Minimum", tensor, 0.0), factor)
        return context.emit("AddV2", (context.tf("Relu", tensor), below), layout)
    weights = known.reshape(-1)
    tensor = context.builder.in_layout(x, x.permutation)
    if weights.size > 1:
        # ONNX broadcasts from the right: [C, 1, 1] against [N, C, H, W], [C] against [N, C].
        axis = x.rank - slope.rank + int(np.argmax(known.shape))
        if x.axis(axis) != x.rank - 1:
            last = (*(a for a in range(x.rank) if a != axis), axis)
            tensor, x = context.builder.in_layout(x, last), Value(x.shape, last)
    name = context.builder.constant(context.node.input[1], weights)
    return context.emit("Prelu", (tensor, name), x.permutation)


@operator("Clip", attributes=("min", "max"), since=1)
def clip(context: NodeContext) -> Value:
    """Limit values to two bounds; 0 to 6 is Relu6, which can be fused, and computed bounds take two nodes."""
    bounds = [_bound(context, 1, "min"), _bound(context, 2, "max")]
    if bounds == [None, None]:
        return context.raw(0)
    known = [_number(bound) for bound in bounds if bound is None or bound.constant is not None]
    x = context.raw(0)
    if len(known) < 2 or x.dtype != FLOAT:
        x = context.value(0)
        tensor = context.builder.in_layout(x)
        for bound, op in zip(bounds, ("Maximum", "Minimum"), strict=True):
            if bound is not None:
                tensor = context.tf(op, tensor, context.builder.in_layout(bound))
        return context.result(tensor, x.permutation)
    low, high = (default if np.isnan(value) else value for value, default in zip(known, (-np.inf, np.inf), strict=True))
    if (low, high) in ((0.0, 6.0), (0.0, np.inf)):
        return pointwise(
            context, lambda t: context.builder.emit(context.name, "Relu6" if high == 6.0 else "Relu", (t,))
        )
    # Where the lower bound exceeds the upper, ONNX returns the upper.
    low, high = float(np.clip(min(low, high), -_LIMIT, _LIMIT)), float(np.clip(high, -_LIMIT, _LIMIT))
    return pointwise(context, lambda t: context.builder.emit(
        context.name, "ClipByValue", (t, context.builder.scalar(low), context.builder.scalar(high))))  # fmt: skip


@operator("HardSigmoid", attributes=("alpha", "beta"), since=6)
def hard_sigmoid(context: NodeContext) -> Value:
    """Compute max(0, min(1, alpha · x + beta)); with 1/6 and 1/2 that is relu6(x + 3) / 6."""
    alpha, beta = float(context.attribute("alpha", 0.2)), float(context.attribute("beta", 0.5))
    if np.isclose(alpha, 1 / 6) and beta == 0.5:
        return pointwise(context, lambda x: _sixth(context, x))

    def build(x: str) -> str:
        moved = context.tf("AddV2", context.tf("Mul", x, alpha), beta)
        return context.tf("ClipByValue", moved, 0.0, 1.0)

    return pointwise(context, build)


@operator("HardSwish", since=14)
def hard_swish(context: NodeContext) -> Value:
    """Compute x · max(0, min(1, x / 6 + 1/2)) as x · relu6(x + 3) / 6."""
    return pointwise(context, lambda x: context.tf("Mul", x, _sixth(context, x)))


@operator("ThresholdedRelu", attributes=("alpha",), since=10)
def thresholded_relu(context: NodeContext) -> Value:
    """Compute x where it exceeds alpha, and 0 elsewhere."""
    alpha = float(context.attribute("alpha", 1.0))
    return pointwise(
        context, lambda x: context.tf("Mul", x, cast(context, context.tf("Greater", x, alpha, dtype=BOOL), FLOAT))
    )


@operator("Shrink", attributes=("bias", "lambd"), since=9)
def shrink(context: NodeContext) -> Value:
    """Move x towards zero by the bias where |x| exceeds lambd, and return 0 elsewhere."""
    limit, bias = float(context.attribute("lambd", 0.5)), float(context.attribute("bias", 0.0))

    def build(x: str) -> str:
        above = cast(context, context.tf("Greater", x, limit, dtype=BOOL), FLOAT)
        below = cast(context, context.tf("Less", x, -limit, dtype=BOOL), FLOAT)
        lower = context.tf("Mul", context.tf("AddV2", x, bias), below)
        return context.tf("AddV2", context.tf("Mul", context.tf("Sub", x, bias), above), lower)

    return pointwise(context, build)


@operator("Softmax", "LogSoftmax", attributes=("axis",))
def softmax(context: NodeContext) -> Value:
    """Compute softmax on the last axis, where TF.js has it. Before opset 13, ONNX merges all axes from `axis` on."""
    x = context.value(0)
    axis = context.axis(x, -1 if context.opset >= 13 else 1)
    if context.opset < 13 and axis != x.rank - 1:
        return _coerced(context, x, axis)
    layout = x.permutation
    if layout[-1:] != (axis,):
        layout = (*(a for a in identity(x.rank) if a != axis), axis)
    return context.emit(context.node.op_type, (context.builder.in_layout(x, layout),), layout)


@operator("Hardmax", attributes=("axis",), since=13)
def hardmax(context: NodeContext) -> Value:
    """Return 1 at the first of the largest values along an axis, and 0 elsewhere."""
    x = context.value(0)
    axis = context.axis(x, -1)
    layout = (*(a for a in identity(x.rank) if a != axis), axis)
    tensor = context.builder.in_layout(x, layout)
    first = context.tf("ArgMax", tensor, context.builder.scalar(x.rank - 1, INT32), dtype=INT32)
    depth = context.builder.scalar(_size(context, x, axis), INT32)
    one, zero = context.builder.scalar(1, INT32), context.builder.scalar(0, INT32)
    hot = context.tf("OneHot", first, depth, one, zero, dtype=INT32, axis=-1, TI=INT32)
    return context.result(cast(context, hot, FLOAT), layout)


def _coerced(context: NodeContext, x: Value, axis: int) -> Value:
    sizes = [_size(context, x, a) for a in range(axis, x.rank)]
    rows = context.builder.reshape(
        f"{context.name}/rows", context.builder.in_layout(x, identity(x.rank)), (None, int(np.prod(sizes)))
    )
    tensor = context.tf(context.node.op_type, rows)
    return context.result(context.builder.reshape(context.name, tensor, x.shape))


def _size(context: NodeContext, x: Value, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        context.fail(f"axis {axis} has a free size")
    return size


def _elu(context: NodeContext, x: str, alpha: float) -> str:
    below = context.tf("Mul", context.tf("Sub", context.tf("Exp", context.tf("Minimum", x, 0.0)), 1.0), float(alpha))
    return context.tf("AddV2", context.tf("Relu", x), below)


def _sixth(context: NodeContext, x: str) -> str:
    return context.tf("Mul", context.tf("Relu6", context.tf("AddV2", x, 3.0)), 1 / 6)


def _number(bound: Value | None) -> float:
    """Return the number of a constant bound; a bound that is absent or computed is NaN."""
    return float("nan") if bound is None or bound.constant is None else float(bound.constant.item())


def _bound(context: NodeContext, index: int, name: str) -> Value | None:
    if context.opset < 11:
        given: Array | None = None if name not in context.attributes else np.array(context.attributes[name], np.float32)
        return None if given is None else constant(given)
    return context.optional(index)
