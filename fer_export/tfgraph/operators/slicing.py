"""This module converts slices: parts of a value by ranges of indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator

_END = 2**31 - 1


@operator(
    "Slice",
    attributes=("axes", "ends", "starts"),
    restrictions=("starts and ends that are computed: constant axes and positive steps",),
)
def slices(context: NodeContext) -> Value:
    """Take ranges along some axes; the steps may be negative."""
    x = context.value(0)
    if context.opset >= 10 and any(
        context.optional(index) is not None and _computed(context, index) for index in (1, 2)
    ):
        return _by_computed(context, x)
    starts = context.attribute("starts", None) or context.constant(1).tolist()
    ends = context.attribute("ends", None) or context.constant(2).tolist()
    axes = context.attribute("axes", None) or context.constant(3, np.arange(len(starts))).tolist()
    steps = context.constant(4, np.ones(len(starts), np.int64)).tolist()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = cut(context, x, axis % x.rank, start, end, step)
    return x


def cut(context: NodeContext, x: Value, axis: int, start: int, end: int, step: int) -> Value:
    """Take a range of one axis of a value, as Python slices it."""
    size = x.shape[axis]
    if size is None:
        return _cut_free(context, x, axis, start, end, step)
    found = range(size)[start:end:step]
    if found == range(size):
        return x
    shape = (*x.shape[:axis], len(found), *x.shape[axis + 1 :])
    place = x.axis(axis)
    if step == 1:
        begin = [found.start if index == place else 0 for index in range(x.rank)]
        sizes = [len(found) if index == place else -1 for index in range(x.rank)]
        inputs = (
            context.builder.in_layout(x),
            context.builder.ints("begin", begin),
            context.builder.ints("size", sizes),
        )
        tensor = context.builder.emit(context.name, "Slice", inputs, {"Index": INT32})
    elif found == range(size)[::-1]:
        tensor = context.tf(
            "ReverseV2", context.builder.in_layout(x), context.builder.ints("axes", [place]), Tidx=INT32
        )
    else:
        # TF.js's StridedSlice takes float32 only.
        picks = context.builder.constant(f"{context.name}/indices", np.array(found, np.int32))
        inputs = (context.builder.in_layout(x), picks, context.builder.scalar(place, INT32))
        tensor = context.builder.emit(context.name, "GatherV2", inputs, {"batch_dims": 0})
    return context.result(tensor, x.permutation, shape=shape)


def _cut_free(context: NodeContext, x: Value, axis: int, start: int, end: int, step: int) -> Value:
    if start == 0 and end >= _END and step == 1:
        return x
    shape = (*x.shape[:axis], None, *x.shape[axis + 1 :])
    if step == -1 and start == -1 and end <= -_END:
        axes = context.builder.ints("axes", [x.axis(axis)])
        return context.result(context.tf("ReverseV2", context.builder.in_layout(x), axes), x.permutation, shape=shape)
    if step < 0:
        context.fail(f"axis {axis} has a free size, and its step is {step}")
    return _strided(context, x, axis, (start, min(end, _END), step), shape)


def _strided(
    context: NodeContext, x: Value, axis: int, bounds: tuple[int, int, int], shape: tuple[int | None, ...]
) -> Value:
    place = x.axis(axis)
    start, end, step = bounds
    lists = [[value if index == place else other for index in range(x.rank)]
             for value, other in ((start, 0), (end, 0), (step, 1))]  # fmt: skip
    others = sum(1 << index for index in range(x.rank) if index != place)
    inputs = [context.builder.ints("range", values) for values in lists]
    tensor = context.tf("StridedSlice", context.builder.in_layout(x), *inputs, Index=INT32, begin_mask=others,
                     end_mask=others | (1 << place if end >= _END else 0), ellipsis_mask=0, new_axis_mask=0,
                     shrink_axis_mask=0)  # fmt: skip
    return context.result(tensor, x.permutation, shape=shape)


def _computed(context: NodeContext, index: int) -> bool:
    found = context.optional(index)
    return found is not None and found.constant is None


def _by_computed(context: NodeContext, x: Value) -> Value:
    """Slice by bounds that are computed in the graph, with TensorFlow's StridedSlice in ONNX's order."""
    starts, ends = context.value(1), context.value(2)
    count = starts.shape[0] or ends.shape[0] or 1
    axes = [axis % x.rank for axis in context.constant(3, np.arange(count)).tolist()]
    steps = context.constant(4, np.ones(count, np.int64)).tolist()
    if any(step < 0 for step in steps) or (x.dtype != FLOAT and any(step != 1 for step in steps)):
        context.constant(1)
        context.constant(2)
    # The masks ignore the bounds of axes that are not cut, so any number will do there.
    picks = context.builder.ints("axes", [axes.index(axis) if axis in axes else 0 for axis in range(x.rank)])
    whole = sum(1 << axis for axis in range(x.rank) if axis not in axes)
    bounds = []
    for value in (starts, ends):
        known = value.constant
        tensor = (
            context.builder.in_layout(value)
            if known is None
            else context.builder.ints("range", np.clip(known, -_END, _END).tolist())
        )
        bounds.append(context.tf("GatherV2", tensor, picks, context.builder.scalar(0, INT32)))
    by = context.builder.ints("range", [steps[axes.index(axis)] if axis in axes else 1 for axis in range(x.rank)])
    tensor = context.builder.in_layout(x, identity(x.rank))
    tensor = context.tf("StridedSlice", tensor, *bounds, by, Index=INT32, begin_mask=whole, end_mask=whole,
                     ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)  # fmt: skip
    return context.result(tensor)
