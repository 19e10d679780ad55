"""Pools. TensorFlow pads them by VALID or SAME only; anything else is padded before."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import NamedTuple

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32, Attribute, Shape
from fer_export.tfgraph.layout import Value, channels_last, constant
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.convolution import lowered, raised
from fer_export.tfgraph.padding import ceil_pads, counted, explicit_pads, scheme
from fer_export.tfgraph.registry import operator

_LOWEST = float(np.finfo(np.float32).min)
_ATTRIBUTES = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")


class _Window(NamedTuple):
    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    #: As written, and with what ceil_mode adds.
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
def max_pool(call: Call) -> Value | tuple[Value, ...]:
    """Padding counts as the lowest value there is. A dilated one is the largest of shifted slices."""
    x, window = _window(call)
    if call.wants(1):
        return _with_indices(call, x, window)
    if x.rank == 5:
        return _over_volume(call, x, _explicit(window), _LOWEST, "Maximum", "MaxPool")
    if max(window.dilations) > 1:
        return lowered(call, _by_slices(call, x, _explicit(window), _LOWEST, "Maximum", 1.0))
    return lowered(call, _pool(call, "MaxPool", x, window, _LOWEST))


@operator(
    "AveragePool",
    attributes=(*_ATTRIBUTES, "count_include_pad"),
    restrictions=("one to three spatial axes", "free sizes: pads that VALID or SAME make"),
)
def average_pool(call: Call) -> Value:
    """TensorFlow's SAME leaves the padding out of the mean, as count_include_pad 0 does.

    Where the padding is not SAME's, zeros are padded and counted, and a constant corrects each mean
    by how many values ONNX counts in its window.
    """
    x, window = _window(call)
    include = bool(call.attribute("count_include_pad", 0))
    native = window.padding == "VALID" or (window.padding == "SAME" and not include and x.rank == 4)
    if native and max(window.dilations) == 1:
        return lowered(call, _pool(call, "AvgPool", x, window, 0.0))
    return lowered(call, _corrected_mean(call, x, window, include))


@operator("LpPool", attributes=(*_ATTRIBUTES, "p"), since=2, restrictions=("known sizes where they are padded",))
def lp_pool(call: Call) -> Value:
    """The p-th root of the sum of p-th powers: a mean times the number of values."""
    x, window = _window(call)
    p = float(call.attribute("p", 2))
    tensor = call.tf("Pow", call.tf("Abs", call.builder.read(x, channels_last(x.rank))), p)
    powered = Value(x.shape, channels_last(x.rank), tensor)
    if max(window.dilations) > 1:
        mean = _corrected_mean(call, powered, window, include=True, correct=False)
    else:
        padding = window.padding if window.padding == "VALID" else None
        mean = _pool(call, "AvgPool", powered, window._replace(padding=padding), 0.0)
    total = call.tf("Mul", mean.tensor, float(prod(window.kernel)))
    return lowered(call, Value(mean.shape, mean.permutation, call.tf("Pow", total, 1 / p)))


def _window(call: Call) -> tuple[Value, _Window]:
    x = call.value(0)
    axes = x.rank - 2
    if axes not in (1, 2, 3):
        call.fail(f"an input of rank {x.rank} is not known (only 3 to 5)")
    if x.dtype != FLOAT:
        call.fail("integers: TF.js's kernel takes float32 alone")
    kernel = list(call.attribute("kernel_shape", []))
    strides = list(call.attribute("strides", [1] * axes))
    dilations = list(call.attribute("dilations", [1] * axes))
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    sizes = x.shape[2:]
    own = explicit_pads(call, spans, sizes)
    pads, padding = own, scheme(own, spans, strides, sizes)
    if call.attribute("ceil_mode", 0):
        longer = ceil_pads(own, spans, strides, sizes)
        if longer is not None:
            pads, padding = longer, scheme(longer, spans, strides, sizes)
        # Windows that neither overlap nor leave gaps: ceil(size / stride) of them, which is SAME.
        elif kernel == strides and max(kernel) <= 2 and all(pad == (0, 0) for pad in own):
            padding = "SAME"
        else:
            call.fail("ceil_mode with a free size is only known for windows of 2 and stride 2")
    if axes == 1:
        kernel, strides, dilations, sizes = [1, *kernel], [1, *strides], [1, *dilations], (1, *sizes)
        own, pads = [(0, 0), *own], [(0, 0), *pads]
    return raised(call, x), _Window(kernel, strides, dilations, own, pads, padding, sizes)


def _pool(call: Call, op: str, x: Value, window: _Window, filling: float) -> Value:
    layout = channels_last(x.rank)
    tensor = call.builder.read(x, layout)
    if window.padding is None:
        tensor = _padded(call, tensor, window, filling)
    attributes: dict[str, Attribute] = {
        "ksize": (1, *window.kernel, 1),
        "strides": (1, *window.strides, 1),
        "padding": window.padding or "VALID",
        "data_format": "NHWC" if x.rank == 4 else "NDHWC",
    }
    name = call.builder.emit(call.name, op if x.rank == 4 else f"{op}3D", (tensor,), attributes)
    return Value(_shape(call, x), layout, name)


def _padded(call: Call, tensor: str, window: _Window, filling: float) -> str:
    pads = np.array([(0, 0), *window.pads, (0, 0)], np.int32)
    name = call.builder.constant(f"{call.name}/pads", pads)
    return call.tf("PadV2", tensor, name, call.builder.scalar(filling), suffix="pad", Tpaddings=INT32)


def _shape(call: Call, x: Value) -> Shape:
    shape = call.shapes[0]
    return shape if len(shape) == x.rank else (*shape[:2], 1, *shape[2:])


def _corrected_mean(call: Call, x: Value, window: _Window, include: bool, correct: bool = True) -> Value:
    if None in window.sizes:
        call.fail(f"pads {window.pads} of a free size")
    layout = channels_last(x.rank)
    explicit = _explicit(window)
    if max(window.dilations) == 1:
        mean = _pool(call, "AvgPool", x, explicit, 0.0)
    elif x.rank == 5:
        total = _over_volume(call, x, explicit, 0.0, "AddV2", "AvgPool")
        # Where a plane or the depth was sliced it was summed, where not it was averaged.
        kernel, dilations = window.kernel, window.dilations
        count = prod(kernel[1:]) if max(dilations[1:]) > 1 else 1
        count *= kernel[0] if dilations[0] > 1 else 1
        mean = Value(total.shape, total.permutation, call.tf("Mul", total.tensor, 1 / count))
    else:
        mean = _by_slices(call, x, explicit, 0.0, "AddV2", 1 / prod(window.kernel))
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
    name = call.builder.constant(f"{call.name}/correction", factor[None, ..., None].astype(np.float32))
    return Value(mean.shape, layout, call.tf("Mul", mean.tensor, name))


def _explicit(window: _Window) -> _Window:
    return window._replace(padding="VALID" if all(pad == (0, 0) for pad in window.pads) else None)


def _over_volume(call: Call, x: Value, window: _Window, filling: float, op: str, pool: str) -> Value:
    """Three axes as two pools: height and width of each plane, then depth of all its pixels.

    TF.js's MaxPool3D starts from a number above most negative ones, and neither of its pools dilates.
    """
    n, c = x.shape[:2]
    depth, *_ = sizes = [(size or 0) + sum(pad) for size, pad in zip(x.shape[2:], window.pads, strict=True)]
    if None in x.shape[1:]:
        call.fail(f"a free size in {list(x.shape)}")
    tensor = call.builder.read(x, channels_last(5))
    if window.padding is None:
        tensor = _padded(call, tensor, window, filling)
    target = [size or 0 for size in call.shapes[0][2:]]
    tensor = call.builder.reshape(f"{call.name}/planes", tensor, (None, *sizes[1:], c))
    tensor = _plane(call, tensor, window, slice(1, 3), target[1:], (op, pool))
    tensor = call.builder.reshape(f"{call.name}/depth", tensor, (n, depth, target[1] * target[2], c))
    flat = _Window(
        [window.kernel[0], 1], [window.strides[0], 1], [window.dilations[0], 1], [], [], "VALID", window.sizes
    )
    tensor = _plane(call, tensor, flat, slice(0, 2), [target[0], target[1] * target[2]], (op, pool))
    tensor = call.builder.reshape(call.name, tensor, (n, *target, c))
    return Value(call.shapes[0], channels_last(5), tensor)


def _plane(call: Call, tensor: str, window: _Window, axes: slice, target: list[int], ops: tuple[str, str]) -> str:
    kernel, strides, dilations = (part[axes] for part in (window.kernel, window.strides, window.dilations))
    if max(dilations) > 1:
        return _sliced(call, tensor, (kernel, strides, dilations), target, ops[0])
    return call.tf(ops[1], tensor, ksize=(1, *kernel, 1), strides=(1, *strides, 1), padding="VALID",
                   data_format="NHWC")  # fmt: skip


def _by_slices(call: Call, x: Value, window: _Window, filling: float, op: str, factor: float) -> Value:
    """Two axes, with dilations: the largest, or the sum, of slices that start at each place of the kernel."""
    if None in window.sizes:
        call.fail(f"dilations {window.dilations} of a free size")
    tensor = call.builder.read(x, channels_last(4))
    if window.padding is None:
        tensor = _padded(call, tensor, window, filling)
    shape = _shape(call, x)
    parts = (window.kernel, window.strides, window.dilations)
    result = _sliced(call, tensor, parts, [size or 1 for size in shape[2:]], op)
    return Value(shape, channels_last(4), result if factor == 1.0 else call.tf("Mul", result, factor))


def _sliced(call: Call, tensor: str, parts: tuple[list[int], ...], target: list[int], op: str) -> str:
    kernel, strides, dilations = parts
    slices = []
    for offset in np.ndindex(*kernel):
        begin = [place * dilation for place, dilation in zip(offset, dilations, strict=True)]
        end = [b + (size - 1) * stride + 1 for b, size, stride in zip(begin, target, strides, strict=True)]
        lists = ([0, *begin, 0], [0, *end, 0], [1, *strides, 1])
        slices.append(call.tf("StridedSlice", tensor, *(call.builder.ints("range", values) for values in lists),
                              Index=INT32, begin_mask=9, end_mask=9, ellipsis_mask=0, new_axis_mask=0,
                              shrink_axis_mask=0))  # fmt: skip
    return reduce(lambda left, right: call.tf(op, left, right), slices)


def _with_indices(call: Call, x: Value, window: _Window) -> tuple[Value, ...]:
    """TensorFlow counts a place as [N, H, W, C], ONNX as [N, C, H, W], or with W before H."""
    n, channels, height, width = _known(call, x)
    if x.rank != 4 or len(call.shapes[0]) != 4 or window.padding is None or max(window.dilations) > 1:
        call.fail("its output Indices with these pads, dilations or axes")
    layout = channels_last(4)
    pooled = call.tf("MaxPoolWithArgmax", call.builder.read(x, layout), ksize=(1, *window.kernel, 1),
                     strides=(1, *window.strides, 1), padding=window.padding, include_batch_in_index=True,
                     Targmax=INT32)  # fmt: skip
    # The values of the index of each place, laid out as TensorFlow counts them.
    table = np.arange(n * channels * height * width, dtype=np.int32).reshape(n, channels, height, width)
    if call.attribute("storage_order", 0):
        maps = np.arange(height * width, dtype=np.int32).reshape(width, height).T
        table = table[:, :, :1, :1] + maps
    lookup = constant(np.ascontiguousarray(table.transpose(layout)).reshape(-1))
    indices = call.tf("GatherV2", call.builder.read(lookup), f"{pooled}:1", call.builder.scalar(0, INT32), dtype=INT32)
    return (
        Value(call.shapes[0], layout, pooled),
        Value(call.shapes[1], layout, indices, dtype=INT32),
    )


def _known(call: Call, x: Value) -> list[int]:
    if None in x.shape or len(x.shape) != 4:
        call.fail(f"its output Indices of {list(x.shape)}")
    return [size or 0 for size in x.shape]
