"""Slices: parts of a value by ranges of indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator

_END = 2**31 - 1


@operator(
    "Slice",
    attributes=("axes", "ends", "starts"),
    restrictions=("starts and ends that are computed: constant axes and positive steps",),
)
def slices(call: Call) -> Value:
    """Ranges along some axes; the steps may be negative."""
    x = call.value(0)
    if call.opset >= 10 and any(call.optional(index) is not None and _computed(call, index) for index in (1, 2)):
        return _by_computed(call, x)
    starts = call.attribute("starts", None) or call.constant(1).tolist()
    ends = call.attribute("ends", None) or call.constant(2).tolist()
    axes = call.attribute("axes", None) or call.constant(3, np.arange(len(starts))).tolist()
    steps = call.constant(4, np.ones(len(starts), np.int64)).tolist()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = cut(call, x, axis % x.rank, start, end, step)
    return x


def cut(call: Call, x: Value, axis: int, start: int, end: int, step: int) -> Value:
    """One axis of a value, as Python slices it."""
    size = x.shape[axis]
    if size is None:
        return _cut_free(call, x, axis, start, end, step)
    found = range(size)[start:end:step]
    if found == range(size):
        return x
    shape = (*x.shape[:axis], len(found), *x.shape[axis + 1 :])
    place = x.axis(axis)
    if step == 1:
        begin = [found.start if index == place else 0 for index in range(x.rank)]
        sizes = [len(found) if index == place else -1 for index in range(x.rank)]
        inputs = (call.builder.read(x), call.builder.ints("begin", begin), call.builder.ints("size", sizes))
        tensor = call.builder.emit(call.name, "Slice", inputs, {"Index": INT32})
    elif found == range(size)[::-1]:
        tensor = call.tf("ReverseV2", call.builder.read(x), call.builder.ints("axes", [place]), Tidx=INT32)
    else:
        # TF.js's StridedSlice is for float32 alone.
        picks = call.builder.constant(f"{call.name}/indices", np.array(found, np.int32))
        inputs = (call.builder.read(x), picks, call.builder.scalar(place, INT32))
        tensor = call.builder.emit(call.name, "GatherV2", inputs, {"batch_dims": 0})
    return call.result(tensor, x.permutation, shape=shape)


def _cut_free(call: Call, x: Value, axis: int, start: int, end: int, step: int) -> Value:
    if start == 0 and end >= _END and step == 1:
        return x
    shape = (*x.shape[:axis], None, *x.shape[axis + 1 :])
    if step == -1 and start == -1 and end <= -_END:
        axes = call.builder.ints("axes", [x.axis(axis)])
        return call.result(call.tf("ReverseV2", call.builder.read(x), axes), x.permutation, shape=shape)
    if step < 0:
        call.fail(f"axis {axis} has a free size, and its step is {step}")
    return _strided(call, x, axis, (start, min(end, _END), step), shape)


def _strided(call: Call, x: Value, axis: int, bounds: tuple[int, int, int], shape: tuple[int | None, ...]) -> Value:
    place = x.axis(axis)
    start, end, step = bounds
    lists = [[value if index == place else other for index in range(x.rank)]
             for value, other in ((start, 0), (end, 0), (step, 1))]  # fmt: skip
    others = sum(1 << index for index in range(x.rank) if index != place)
    inputs = [call.builder.ints("range", values) for values in lists]
    tensor = call.tf("StridedSlice", call.builder.read(x), *inputs, Index=INT32, begin_mask=others,
                     end_mask=others | (1 << place if end >= _END else 0), ellipsis_mask=0, new_axis_mask=0,
                     shrink_axis_mask=0)  # fmt: skip
    return call.result(tensor, x.permutation, shape=shape)


def _computed(call: Call, index: int) -> bool:
    found = call.optional(index)
    return found is not None and found.constant is None


def _by_computed(call: Call, x: Value) -> Value:
    """Bounds that come out of the graph, by TensorFlow's StridedSlice in ONNX's order."""
    starts, ends = call.value(1), call.value(2)
    count = starts.shape[0] or ends.shape[0] or 1
    axes = [axis % x.rank for axis in call.constant(3, np.arange(count)).tolist()]
    steps = call.constant(4, np.ones(count, np.int64)).tolist()
    if any(step < 0 for step in steps) or (x.dtype != FLOAT and any(step != 1 for step in steps)):
        call.constant(1)
        call.constant(2)
    # For axes that are not cut, any bound will do: the masks say so.
    picks = call.builder.ints("axes", [axes.index(axis) if axis in axes else 0 for axis in range(x.rank)])
    whole = sum(1 << axis for axis in range(x.rank) if axis not in axes)
    bounds = []
    for value in (starts, ends):
        known = value.constant
        tensor = (
            call.builder.read(value)
            if known is None
            else call.builder.ints("range", np.clip(known, -_END, _END).tolist())
        )
        bounds.append(call.tf("GatherV2", tensor, picks, call.builder.scalar(0, INT32)))
    by = call.builder.ints("range", [steps[axes.index(axis)] if axis in axes else 1 for axis in range(x.rank)])
    tensor = call.builder.read(x, identity(x.rank))
    tensor = call.tf("StridedSlice", tensor, *bounds, by, Index=INT32, begin_mask=whole, end_mask=whole,
                     ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)  # fmt: skip
    return call.result(tensor)
