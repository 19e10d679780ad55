"""Normalizations."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Permutation, Value, channels_last, constant
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.shape import reshaped
from fer_export.tfgraph.registry import operator


@operator(
    "BatchNormalization",
    attributes=("epsilon", "momentum", "spatial", "training_mode"),
    since=7,
)
def batch_normalization(call: Call) -> Value | tuple[Value, ...]:
    """In inference: one multiplication and one addition, with constants computed here where all is known."""
    x = call.value(0)
    layout = channels_last(x.rank)
    tensor = call.builder.read(x, layout)
    epsilon = float(call.attribute("epsilon", 1e-5))
    if call.attribute("training_mode", 0):
        return _by_batch(call, x, tensor, epsilon)
    parts = [call.value(index) for index in (1, 2, 3, 4)]
    known = [part.constant for part in parts if part.constant is not None]
    if len(known) == 4:
        scale, bias, mean, variance = (array.astype(np.float64) for array in known)
        factor = scale / (variance + epsilon) ** 0.5
        factors = [call.builder.constant(f"{call.name}/{n}", a.astype(np.float32)) for n, a in
                   (("scale", factor), ("offset", bias - mean * factor))]  # fmt: skip
    else:
        names = [call.builder.read(part) for part in parts]
        root = call.tf("Rsqrt", call.tf("AddV2", names[3], epsilon))
        scaled = call.tf("Mul", names[0], root)
        factors = [scaled, call.tf("Sub", names[1], call.tf("Mul", names[2], scaled))]
    return call.emit("AddV2", (call.tf("Mul", tensor, factors[0], suffix="mul"), factors[1]), layout)


@operator("LayerNormalization", attributes=("axis", "epsilon", "stash_type"), since=17)
def layer_normalization(call: Call) -> Value | tuple[Value, ...]:
    """Over the axes from `axis` on, wherever they lie in the tensor (https://arxiv.org/abs/1607.06450)."""
    x = call.value(0)
    first = call.axis(x, -1)
    tensor = call.builder.read(x)
    axes = sorted(x.axis(axis) for axis in range(first, x.rank))
    result, mean, root = _normalized(call, tensor, axes, float(call.attribute("epsilon", 1e-5)))
    for index, op in ((1, "Mul"), (2, "AddV2")):
        part = call.optional(index)
        if part is not None:
            result = call.tf(op, result, call.builder.read(part, x.permutation, x.rank))
    shape = (*x.shape[:first], *[1] * (x.rank - first))
    others = [Value(shape, x.permutation, name) for name in (mean, root)]
    return (call.result(result, x.permutation), *others)


@operator("RMSNormalization", attributes=("axis", "epsilon", "stash_type"), since=23)
def rms_normalization(call: Call) -> Value:
    """By the root of the mean square, without a mean taken off (https://arxiv.org/abs/1910.07467)."""
    x = call.value(0)
    first = call.axis(x, -1)
    tensor = call.builder.read(x)
    axes = call.builder.ints("axes", sorted(x.axis(axis) for axis in range(first, x.rank)))
    square = call.tf("Mean", call.tf("Square", tensor), axes, keep_dims=True, Tidx=INT32)
    root = call.tf("Rsqrt", call.tf("AddV2", square, float(call.attribute("epsilon", 1e-5))))
    scale = call.builder.read(call.value(1), x.permutation, x.rank)
    return call.result(call.tf("Mul", call.tf("Mul", tensor, root), scale), x.permutation)


@operator("InstanceNormalization", attributes=("epsilon",), since=6)
def instance_normalization(call: Call) -> Value:
    """Over the spatial axes of each channel of each picture (https://arxiv.org/abs/1607.08022)."""
    x = call.value(0)
    layout = channels_last(x.rank)
    tensor = call.builder.read(x, layout)
    result, _, _ = _normalized(call, tensor, list(range(1, x.rank - 1)), float(call.attribute("epsilon", 1e-5)))
    return _scaled(call, result, layout)


@operator(
    "GroupNormalization", attributes=("epsilon", "num_groups", "stash_type"), since=18, restrictions=("known channels",)
)
def group_normalization(call: Call) -> Value:
    """Over the spatial axes and a group of channels (https://arxiv.org/abs/1803.08494)."""
    x = call.value(0)
    group, channels = call.attribute("num_groups", 1), x.shape[1]
    if channels is None:
        call.fail("the number of channels is not known")
    scale = call.value(1)
    if x.shape.count(None) > 1 and scale.shape == (channels,):
        return _by_group(call, x, group, channels)
    parts = (x.shape[0], group, channels // group, *x.shape[2:])
    split = reshaped(call, x, parts)
    axes = sorted(split.axis(axis) for axis in range(2, split.rank))
    result, _, _ = _normalized(call, call.builder.read(split), axes, float(call.attribute("epsilon", 1e-5)))
    if scale.shape != (channels,):
        # Before opset 21 scale and bias belong to the groups.
        for index, op in ((1, "Mul"), (2, "AddV2")):
            part = call.value(index)
            wide = constant(call.constant(index).reshape(group, *[1] * (split.rank - 2)), part.tensor)
            result = call.tf(op, result, call.builder.read(wide, split.permutation, split.rank))
        return reshaped(call, Value(parts, split.permutation, result), x.shape)
    whole = reshaped(call, Value(parts, split.permutation, result), x.shape)
    layout = channels_last(x.rank)
    return _scaled(call, call.builder.read(whole, layout), layout)


def _by_group(call: Call, x: Value, group: int, channels: int) -> Value:
    """Means over each channel's pixels, and then over the group's channels: for a free height and width, which leave no
    Reshape room for the groups.
    """
    layout = channels_last(x.rank)
    tensor = call.builder.read(x, layout)
    pixels = call.builder.ints("axes", list(range(1, x.rank - 1)))
    wide = call.builder.constant(f"{call.name}/wide", np.ones((1, 1, channels // group), np.float32))

    def mean(of: str, name: str) -> str:
        each = call.tf("Mean", of, pixels, keep_dims=True, Tidx=INT32)
        split = call.builder.reshape(f"{call.name}/{name}/split", each, (None, group, channels // group))
        one = call.tf("Mean", split, call.builder.ints("axis", [2]), keep_dims=True, Tidx=INT32)
        whole = (None, *[1] * (x.rank - 2), channels)
        return call.builder.reshape(f"{call.name}/{name}/whole", call.tf("Mul", one, wide), whole)

    centred = call.tf("Sub", tensor, mean(tensor, "mean"))
    variance = mean(call.tf("Square", centred), "variance")
    root = call.tf("Rsqrt", call.tf("AddV2", variance, float(call.attribute("epsilon", 1e-5))))
    return _scaled(call, call.tf("Mul", centred, root), layout)


@operator("LRN", attributes=("alpha", "beta", "bias", "size"), restrictions=("rank 4", "an odd size"))
def local_response(call: Call) -> Value:
    """TensorFlow does not divide alpha by the size of the window."""
    x, size = call.value(0), call.attribute("size", 1)
    if x.rank != 4 or size % 2 == 0:
        call.fail(f"size {size} and rank {x.rank} (only odd sizes and rank 4)")
    layout = channels_last(4)
    return call.emit("LRN", (call.builder.read(x, layout),), layout, depth_radius=size // 2,
                     bias=float(call.attribute("bias", 1.0)), alpha=float(call.attribute("alpha", 1e-4)) / size,
                     beta=float(call.attribute("beta", 0.75)))  # fmt: skip


def _normalized(call: Call, tensor: str, axes: list[int], epsilon: float) -> tuple[str, str, str]:
    """(x - mean) / sqrt(variance + epsilon), the mean, and one over the root."""
    over = call.builder.ints("axes", axes)
    mean = call.tf("Mean", tensor, over, keep_dims=True, Tidx=INT32)
    centred = call.tf("Sub", tensor, mean)
    variance = call.tf("Mean", call.tf("Square", centred), over, keep_dims=True, Tidx=INT32)
    root = call.tf("Rsqrt", call.tf("AddV2", variance, epsilon))
    return call.tf("Mul", centred, root), mean, root


def _by_batch(call: Call, x: Value, tensor: str, epsilon: float) -> tuple[Value, ...]:
    """With the mean and variance of this batch, and the running ones moved towards them."""
    layout = channels_last(x.rank)
    result, mean, root = _normalized(call, tensor, list(range(x.rank - 1)), epsilon)
    variance = call.tf("Sub", call.tf("Reciprocal", call.tf("Square", root)), epsilon)
    momentum = float(call.attribute("momentum", 0.9))
    outputs = [_scaled(call, result, layout)]
    for index, now in ((3, mean), (4, variance)):
        old = call.tf("Mul", call.builder.read(call.value(index)), momentum)
        share = call.tf("Mul", call.builder.reshape(f"{call.name}/flat", now, (None,)), 1 - momentum)
        outputs.append(Value(call.value(index).shape, (0,), call.tf("AddV2", old, share)))
    return tuple(outputs)


def _scaled(call: Call, tensor: str, layout: Permutation) -> Value:
    """By a scale and a bias of each channel, which is the last axis."""
    for index, op in ((1, "Mul"), (2, "AddV2")):
        tensor = call.tf(op, tensor, call.builder.read(call.value(index)))
    return call.result(tensor, layout)
