"""This module converts normalizations."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Permutation, Value, channels_last, constant
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.shape import reshaped
from fer_export.tfgraph.registry import operator


@operator(
    "BatchNormalization",
    attributes=("epsilon", "momentum", "spatial", "training_mode"),
    since=7,
)
def batch_normalization(context: NodeContext) -> Value | tuple[Value, ...]:
    """Write one multiplication and one addition, with constants computed here where all parameters are known."""
    x = context.value(0)
    layout = channels_last(x.rank)
    tensor = context.builder.in_layout(x, layout)
    epsilon = float(context.attribute("epsilon", 1e-5))
    if context.attribute("training_mode", 0):
        return _by_batch(context, x, tensor, epsilon)
    parts = [context.value(index) for index in (1, 2, 3, 4)]
    known = [part.constant for part in parts if part.constant is not None]
    if len(known) == 4:
        scale, bias, mean, variance = (array.astype(np.float64) for array in known)
        factor = scale / (variance + epsilon) ** 0.5
        factors = [context.builder.constant(f"{context.name}/{n}", a.astype(np.float32)) for n, a in
                   (("scale", factor), ("offset", bias - mean * factor))]  # fmt: skip
    else:
        names = [context.builder.in_layout(part) for part in parts]
        root = context.tf("Rsqrt", context.tf("AddV2", names[3], epsilon))
        scaled = context.tf("Mul", names[0], root)
        factors = [scaled, context.tf("Sub", names[1], context.tf("Mul", names[2], scaled))]
    return context.emit("AddV2", (context.tf("Mul", tensor, factors[0], suffix="mul"), factors[1]), layout)


@operator("LayerNormalization", attributes=("axis", "epsilon", "stash_type"), since=17)
def layer_normalization(context: NodeContext) -> Value | tuple[Value, ...]:
    """Normalize over the axes from `axis` on (https://arxiv.org/abs/1607.06450)."""
    x = context.value(0)
    first = context.axis(x, -1)
    tensor = context.builder.in_layout(x)
    axes = sorted(x.axis(axis) for axis in range(first, x.rank))
    result, mean, root = _normalized(context, tensor, axes, float(context.attribute("epsilon", 1e-5)))
    for index, op in ((1, "Mul"), (2, "AddV2")):
        part = context.optional(index)
        if part is not None:
            result = context.tf(op, result, context.builder.in_layout(part, x.permutation, x.rank))
    shape = (*x.shape[:first], *[1] * (x.rank - first))
    others = [Value(shape, x.permutation, name) for name in (mean, root)]
    return (context.result(result, x.permutation), *others)


@operator("RMSNormalization", attributes=("axis", "epsilon", "stash_type"), since=23)
def rms_normalization(context: NodeContext) -> Value:
    """Divide by the root of the mean square, without subtracting the mean (https://arxiv.org/abs/1910.07467)."""
    x = context.value(0)
    first = context.axis(x, -1)
    tensor = context.builder.in_layout(x)
    axes = context.builder.ints("axes", sorted(x.axis(axis) for axis in range(first, x.rank)))
    square = context.tf("Mean", context.tf("Square", tensor), axes, keep_dims=True, Tidx=INT32)
    root = context.tf("Rsqrt", context.tf("AddV2", square, float(context.attribute("epsilon", 1e-5))))
    scale = context.builder.in_layout(context.value(1), x.permutation, x.rank)
    return context.result(context.tf("Mul", context.tf("Mul", tensor, root), scale), x.permutation)


@operator("InstanceNormalization", attributes=("epsilon",), since=6)
def instance_normalization(context: NodeContext) -> Value:
    """Normalize over the spatial axes of each channel of each picture (https://arxiv.org/abs/1607.08022)."""
    x = context.value(0)
    layout = channels_last(x.rank)
    tensor = context.builder.in_layout(x, layout)
    result, _, _ = _normalized(context, tensor, list(range(1, x.rank - 1)), float(context.attribute("epsilon", 1e-5)))
    return _scaled(context, result, layout)


@operator(
    "GroupNormalization", attributes=("epsilon", "num_groups", "stash_type"), since=18, restrictions=("known channels",)
)
def group_normalization(context: NodeContext) -> Value:
    """Normalize over the spatial axes and a group of channels (https://arxiv.org/abs/1803.08494)."""
    x = context.value(0)
    group, channels = context.attribute("num_groups", 1), x.shape[1]
    if channels is None:
        context.fail("the number of channels is not known")
    scale = context.value(1)
    if x.shape.count(None) > 1 and scale.shape == (channels,):
        return _by_group(context, x, group, channels)
    parts = (x.shape[0], group, channels // group, *x.shape[2:])
    split = reshaped(context, x, parts)
    axes = sorted(split.axis(axis) for axis in range(2, split.rank))
    result, _, _ = _normalized(
        context, context.builder.in_layout(split), axes, float(context.attribute("epsilon", 1e-5))
    )
    if scale.shape != (channels,):
        # Before opset 21 there is one scale and one bias for each group.
        for index, op in ((1, "Mul"), (2, "AddV2")):
            part = context.value(index)
            wide = constant(context.constant(index).reshape(group, *[1] * (split.rank - 2)), part.tensor)
            result = context.tf(op, result, context.builder.in_layout(wide, split.permutation, split.rank))
        return reshaped(context, Value(parts, split.permutation, result), x.shape)
    whole = reshaped(context, Value(parts, split.permutation, result), x.shape)
    layout = channels_last(x.rank)
    return _scaled(context, context.builder.in_layout(whole, layout), layout)


def _by_group(context: NodeContext, x: Value, group: int, channels: int) -> Value:
    """Take means over each channel's pixels, and then over the group's channels.

    This serves a free height and width, with which a Reshape cannot split the channels into groups.
    """
    layout = channels_last(x.rank)
    tensor = context.builder.in_layout(x, layout)
    pixels = context.builder.ints("axes", list(range(1, x.rank - 1)))
    wide = context.builder.constant(f"{context.name}/wide", np.ones((1, 1, channels // group), np.float32))

    def mean(of: str, name: str) -> str:
        each = context.tf("Mean", of, pixels, keep_dims=True, Tidx=INT32)
        split = context.builder.reshape(f"{context.name}/{name}/split", each, (None, group, channels // group))
        one = context.tf("Mean", split, context.builder.ints("axis", [2]), keep_dims=True, Tidx=INT32)
        whole = (None, *[1] * (x.rank - 2), channels)
        return context.builder.reshape(f"{context.name}/{name}/whole", context.tf("Mul", one, wide), whole)

    centred = context.tf("Sub", tensor, mean(tensor, "mean"))
    variance = mean(context.tf("Square", centred), "variance")
    root = context.tf("Rsqrt", context.tf("AddV2", variance, float(context.attribute("epsilon", 1e-5))))
    return _scaled(context, context.tf("Mul", centred, root), layout)


@operator("LRN", attributes=("alpha", "beta", "bias", "size"), restrictions=("rank 4", "an odd size"))
def local_response(context: NodeContext) -> Value:
    """Normalize across channels; TensorFlow does not divide alpha by the window's size, so this does."""
    x, size = context.value(0), context.attribute("size", 1)
    if x.rank != 4 or size % 2 == 0:
        context.fail(f"size {size} and rank {x.rank} (only odd sizes and rank 4)")
    layout = channels_last(4)
    return context.emit("LRN", (context.builder.in_layout(x, layout),), layout, depth_radius=size // 2,
                     bias=float(context.attribute("bias", 1.0)), alpha=float(context.attribute("alpha", 1e-4)) / size,
                     beta=float(context.attribute("beta", 0.75)))  # fmt: skip


def _normalized(context: NodeContext, tensor: str, axes: list[int], epsilon: float) -> tuple[str, str, str]:
    """Return (x - mean) / sqrt(variance + epsilon), the mean, and 1 / sqrt(variance + epsilon)."""
    over = context.builder.ints("axes", axes)
    mean = context.tf("Mean", tensor, over, keep_dims=True, Tidx=INT32)
    centred = context.tf("Sub", tensor, mean)
    variance = context.tf("Mean", context.tf("Square", centred), over, keep_dims=True, Tidx=INT32)
    root = context.tf("Rsqrt", context.tf("AddV2", variance, epsilon))
    return context.tf("Mul", centred, root), mean, root


def _by_batch(context: NodeContext, x: Value, tensor: str, epsilon: float) -> tuple[Value, ...]:
    """Normalize by this batch's mean and variance, and move the running ones towards them."""
    layout = channels_last(x.rank)
    result, mean, root = _normalized(context, tensor, list(range(x.rank - 1)), epsilon)
    variance = context.tf("Sub", context.tf("Reciprocal", context.tf("Square", root)), epsilon)
    momentum = float(context.attribute("momentum", 0.9))
    outputs = [_scaled(context, result, layout)]
    for index, now in ((3, mean), (4, variance)):
        old = context.tf("Mul", context.builder.in_layout(context.value(index)), momentum)
        share = context.tf("Mul", context.builder.reshape(f"{context.name}/flat", now, (None,)), 1 - momentum)
        outputs.append(Value(context.value(index).shape, (0,), context.tf("AddV2", old, share)))
    return tuple(outputs)


def _scaled(context: NodeContext, tensor: str, layout: Permutation) -> Value:
    """Apply a scale and a bias for each channel, on the last axis."""
    for index, op in ((1, "Mul"), (2, "AddV2")):
        tensor = context.tf(op, tensor, context.builder.in_layout(context.value(index)))
    return context.result(tensor, layout)
