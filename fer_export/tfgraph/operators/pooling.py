"""This module converts pools; TensorFlow pads them by VALID or SAME only, and other padding goes before them."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import NamedTuple

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32, Attribute, Shape
from fer_export.tfgraph.layout import Value, channels_last, constant
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.convolution import lowered, raised
from fer_export.tfgraph.padding import ceil_pads, counted, explicit_pads, scheme
from fer_export.tfgraph.registry import operator

_LOWEST = float(np.finfo(np.float32).min)
_ATTRIBUTES = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")


class _Window(NamedTuple):
    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    #: The pads as written, and with what ceil_mode adds.
    own_pads: list[tuple[int, int]]
    pads: list[tuple[int, int]]
    padding: str | None
    sizes: Shape


@operator(
    "MaxPool",
    attributes=(*_ATTRIBUTES, "storage_order"),
    restrictions=(
        "float32",
        "one to three spatial axes",
        "dilations and three axes: known sizes",
        "Indices: known sizes, two axes, pads that VALID or SAME make",
    ),
)
def max_pool(context: NodeContext) -> Value | tuple[Value, ...]:
    """Take maxima; padding counts as the lowest number, and a dilated pool takes the largest of shifted slices."""
    x, window = _window(context)
    if context.wants(1):
        return _with_indices(context, x, window)
    if x.rank == 5:
        return _over_volume(context, x, _explicit(window), _LOWEST, "Maximum", "MaxPool")
    if max(window.dilations) > 1:
        return lowered(context, _by_slices(context, x, _explicit(window), _LOWEST, "Maximum", 1.0))
    return lowered(context, _pool(context, "MaxPool", x, window, _LOWEST))


@operator(
    "AveragePool",
    attributes=(*_ATTRIBUTES, "count_include_pad"),
    restrictions=("one to three spatial axes", "free sizes: pads that VALID or SAME make"),
)
def average_pool(context: NodeContext) -> Value:
    """Take means; TensorFlow's SAME leaves the padding out of them, as count_include_pad 0 does.

    Where the padding is not SAME's, zeros are padded and counted, and a constant corrects each mean
    by the number of values that ONNX counts in its window.
    """
    x, window = _window(context)
    include = bool(context.attribute("count_include_pad", 0))
    native = window.padding == "VALID" or (window.padding == "SAME" and not include and x.rank == 4)
    if native and max(window.dilations) == 1:
        return lowered(context, _pool(context, "AvgPool", x, window, 0.0))
    return lowered(context, _corrected_mean(context, x, window, include))


@operator("LpPool", attributes=(*_ATTRIBUTES, "p"), since=2, restrictions=("known sizes where they are padded",))
def lp_pool(context: NodeContext) -> Value:
    """Compute the p-th root of the sum of p-th powers: the mean times the number of values."""
    x, window = _window(context)
    p = float(context.attribute("p", 2))
    tensor = context.tf("Pow", context.tf("Abs", context.builder.in_layout(x, channels_last(x.rank))), p)
    powered = Value(x.shape, channels_last(x.rank), tensor)
    if max(window.dilations) > 1:
        mean = _corrected_mean(context, powered, window, include=True, correct=False)
    else:
        padding = window.padding if window.padding == "VALID" else None
        mean = _pool(context, "AvgPool", powered, window._replace(padding=padding), 0.0)
    total = context.tf("Mul", mean.tensor, float(prod(window.kernel)))
    return lowered(context, Value(mean.shape, mean.permutation, context.tf("Pow", total, 1 / p)))


def _window(context: NodeContext) -> tuple[Value, _Window]:
    x = context.value(0)
    axes = x.rank - 2
    if axes not in (1, 2, 3):
        context.fail(f"an input of rank {x.rank} is not known (only 3 to 5)")
    if x.dtype != FLOAT:
        context.fail("integers: TF.js's kernel takes float32 alone")
    kernel = list(context.attribute("kernel_shape", []))
    strides = list(context.attribute("strides", [1] * axes))
    dilations = list(context.attribute("dilations", [1] * axes))
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    sizes = x.shape[2:]
    own = explicit_pads(context, spans, sizes)
    pads, padding = own, scheme(own, spans, strides, sizes)
    if context.attribute("ceil_mode", 0):
        longer = ceil_pads(own, spans, strides, sizes)
        if longer is not None:
            pads, padding = longer, scheme(longer, spans, strides, sizes)
        # Windows that neither overlap nor leave gaps: there are ceil(size / stride), as SAME makes them.
        elif kernel == strides and max(kernel) <= 2 and all(pad == (0, 0) for pad in own):
            padding = "SAME"
        else:
            context.fail("ceil_mode with a free size is only known for windows of 2 and stride 2")
    if axes == 1:
        kernel, strides, dilations, sizes = [1, *kernel], [1, *strides], [1, *dilations], (1, *sizes)
        own, pads = [(0, 0), *own], [(0, 0), *pads]
    return raised(context, x), _Window(kernel, strides, dilations, own, pads, padding, sizes)


def _pool(context: NodeContext, op: str, x: Value, window: _Window, filling: float) -> Value:
    layout = channels_last(x.rank)
    tensor = context.builder.in_layout(x, layout)
    if window.padding is None:
        tensor = _padded(context, tensor, window, filling)
    attributes: dict[str, Attribute] = {
        "ksize": (1, *window.kernel, 1),
        "strides": (1, *window.strides, 1),
        "padding": window.padding or "VALID",
        "data_format": "NHWC" if x.rank == 4 else "NDHWC",
    }
    name = context.builder.emit(context.name, op if x.rank == 4 else f"{op}3D", (tensor,), attributes)
    return Value(_shape(context, x), layout, name)


def _padded(context: NodeContext, tensor: str, window: _Window, filling: float) -> str:
    pads = np.array([(0, 0), *window.pads, (0, 0)], np.int32)
    name = context.builder.constant(f"{context.name}/pads", pads)
    return context.tf("PadV2", tensor, name, context.builder.scalar(filling), suffix="pad", Tpaddings=INT32)


def _shape(context: NodeContext, x: Value) -> Shape:
    shape = context.shapes[0]
    return shape if len(shape) == x.rank else (*shape[:2], 1, *shape[2:])


def _corrected_mean(context: NodeContext, x: Value, window: _Window, include: bool, correct: bool = True) -> Value:
    if None in window.sizes:
        context.fail(f"pads {window.pads} of a free size")
    layout = channels_last(x.rank)
    explicit = _explicit(window)
    if max(window.dilations) == 1:
        mean = _pool(context, "AvgPool", x, explicit, 0.0)
    elif x.rank == 5:
        total = _over_volume(context, x, explicit, 0.0, "AddV2", "AvgPool")
        # Sliced planes and depths were summed, the others averaged, and the factor depends on which.
        kernel, dilations = window.kernel, window.dilations
        count = prod(kernel[1:]) if max(dilations[1:]) > 1 else 1
        count *= kernel[0] if dilations[0] > 1 else 1
        mean = Value(total.shape, total.permutation, context.tf("Mul", total.tensor, 1 / count))
    else:
        mean = _by_slices(context, x, explicit, 0.0, "AddV2", 1 / prod(window.kernel))
    axes = [
        counted(size or 0, own if include else (0, 0), before, outputs or 0, kernel, stride, dilation)
        for size, own, (before, _), outputs, kernel, stride, dilation in zip(
            window.sizes, window.own_pads, window.pads, mean.shape[2:],
            window.kernel, window.strides, window.dilations, strict=True,
        )
    ]  # fmt: skip
    factor = prod(window.kernel) / np.maximum(reduce(np.multiply.outer, axes), 1)
    if not correct or (factor == 1).all():
        return mean
    name = context.builder.constant(f"{context.name}/correction", factor[None, ..., None].astype(np.float32))
    return Value(mean.shape, layout, context.tf("Mul", mean.tensor, name))


def _explicit(window: _Window) -> _Window:
    return window._replace(padding="VALID" if all(pad == (0, 0) for pad in window.pads) else None)


def _over_volume(context: NodeContext, x: Value, window: _Window, filling: float, op: str, pool: str) -> Value:
    """Pool three axes as two pools: height and width of each plane, then the depth of every pixel.

    TF.js's MaxPool3D starts from a number above most negative ones, and neither of its 3-D pools dilates.
    """
    n, c = x.shape[:2]
    depth, *_ = sizes = [(size or 0) + sum(pad) for size, pad in zip(x.shape[2:], window.pads, strict=True)]
    if None in x.shape[1:]:
        context.fail(f"a free size in {list(x.shape)}")
    tensor = context.builder.in_layout(x, channels_last(5))
    if window.padding is None:
        tensor = _padded(context, tensor, window, filling)
    target = [size or 0 for size in context.shapes[0][2:]]
    tensor = context.builder.reshape(f"{context.name}/planes", tensor, (None, *sizes[1:], c))
    tensor = _plane(context, tensor, window, slice(1, 3), target[1:], (op, pool))
    tensor = context.builder.reshape(f"{context.name}/depth", tensor, (n, depth, target[1] * target[2], c))
    flat = _Window(
        [window.kernel[0], 1], [window.strides[0], 1], [window.dilations[0], 1], [], [], "VALID", window.sizes
    )
    tensor = _plane(context, tensor, flat, slice(0, 2), [target[0], target[1] * target[2]], (op, pool))
    tensor = context.builder.reshape(context.name, tensor, (n, *target, c))
    return Value(context.shapes[0], channels_last(5), tensor)


def _plane(
    context: NodeContext, tensor: str, window: _Window, axes: slice, target: list[int], ops: tuple[str, str]
) -> str:
    kernel, strides, dilations = (part[axes] for part in (window.kernel, window.strides, window.dilations))
    if max(dilations) > 1:
        return _sliced(context, tensor, (kernel, strides, dilations), target, ops[0])
    return context.tf(ops[1], tensor, ksize=(1, *kernel, 1), strides=(1, *strides, 1), padding="VALID",
                   data_format="NHWC")  # fmt: skip


def _by_slices(context: NodeContext, x: Value, window: _Window, filling: float, op: str, factor: float) -> Value:
    """Pool two dilated axes: take the largest, or the sum, of slices that start at each place of the kernel."""
    if None in window.sizes:
        context.fail(f"dilations {window.dilations} of a free size")
    tensor = context.builder.in_layout(x, channels_last(4))
    if window.padding is None:
        tensor = _padded(context, tensor, window, filling)
    shape = _shape(context, x)
    parts = (window.kernel, window.strides, window.dilations)
    result = _sliced(context, tensor, parts, [size or 1 for size in shape[2:]], op)
    return Value(shape, channels_last(4), result if factor == 1.0 else context.tf("Mul", result, factor))


def _sliced(context: NodeContext, tensor: str, parts: tuple[list[int], ...], target: list[int], op: str) -> str:
    kernel, strides, dilations = parts
    slices = []
    for offset in np.ndindex(*kernel):
        begin = [place * dilation for place, dilation in zip(offset, dilations, strict=True)]
        end = [b + (size - 1) * stride + 1 for b, size, stride in zip(begin, target, strides, strict=True)]
        lists = ([0, *begin, 0], [0, *end, 0], [1, *strides, 1])
        slices.append(context.tf("StridedSlice", tensor, *(context.builder.ints("range", values) for values in lists),
                              Index=INT32, begin_mask=9, end_mask=9, ellipsis_mask=0, new_axis_mask=0,
                              shrink_axis_mask=0))  # fmt: skip
    return reduce(lambda left, right: context.tf(op, left, right), slices)


def _with_indices(context: NodeContext, x: Value, window: _Window) -> tuple[Value, ...]:
    """Return maxima with their indices; TensorFlow counts a place as [N, H, W, C], ONNX as [N, C, H, W] or with
    W before H.
    """
    n, channels, height, width = _known(context, x)
    if x.rank != 4 or len(context.shapes[0]) != 4 or window.padding is None or max(window.dilations) > 1:
        context.fail("its output Indices with these pads, dilations or axes")
    layout = channels_last(4)
    pooled = context.tf("MaxPoolWithArgmax", context.builder.in_layout(x, layout), ksize=(1, *window.kernel, 1),
                     strides=(1, *window.strides, 1), padding=window.padding, include_batch_in_index=True,
                     Targmax=INT32)  # fmt: skip
    # For each place, ONNX's index of it, in the order in which TensorFlow counts places.
    table = np.arange(n * channels * height * width, dtype=np.int32).reshape(n, channels, height, width)
    if context.attribute("storage_order", 0):
        maps = np.arange(height * width, dtype=np.int32).reshape(width, height).T
        table = table[:, :, :1, :1] + maps
    lookup = constant(np.ascontiguousarray(table.transpose(layout)).reshape(-1))
    indices = context.tf(
        "GatherV2", context.builder.in_layout(lookup), f"{pooled}:1", context.builder.scalar(0, INT32), dtype=INT32
    )
    return (
        Value(context.shapes[0], layout, pooled),
        Value(context.shapes[1], layout, indices, dtype=INT32),
    )


def _known(context: NodeContext, x: Value) -> list[int]:
    if None in x.shape or len(x.shape) != 4:
        context.fail(f"its output Indices of {list(x.shape)}")
    return [size or 0 for size in x.shape]
