"""Concatenation and splitting along one axis, in whatever layout the values have."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator


@operator("Concat", attributes=("axis",), since=4)
def concat(call: Call) -> Value:
    """In the layout of the first input that is not a constant."""
    values = [call.value(index) for index in range(len(call.inputs))]
    # Parts without values have no say, and no kernel either.
    values = [value for value in values if 0 not in value.shape] or values[:1]
    if len(values) == 1:
        return values[0]
    leader = next((value for value in values if value.constant is None), None)
    layout = identity(values[0].rank) if leader is None else leader.permutation
    tensors = [call.builder.read(value, layout) for value in values]
    axis = layout.index(call.axis(values[0]))
    name = call.builder.scalar(axis, INT32)
    return call.emit("ConcatV2", (*tensors, name), layout, N=len(tensors), Tidx=INT32)


@operator("Split", attributes=("axis", "split", "num_outputs"), since=2, restrictions=("constant sizes",))
def split(call: Call) -> tuple[Value, ...]:
    """Into equal parts, parts of given sizes, or `num_outputs` parts of which the last may be smaller."""
    x = call.value(0)
    axis = call.axis(x)
    count = len(call.node.output)
    sizes = call.attribute("split", None)
    if sizes is None and call.optional(1) is not None:
        sizes = call.constant(1).tolist()
    total = x.shape[axis]
    if sizes is None:
        if total is None:
            call.fail(f"axis {axis} has a free size, and the parts are not given")
        part = -(-total // count)
        sizes = [part] * (count - 1) + [total - part * (count - 1)]
    return pieces(call, x, axis, list(sizes))


def pieces(call: Call, x: Value, axis: int, sizes: list[int]) -> tuple[Value, ...]:
    """A value cut along an ONNX axis into parts of these sizes."""
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    if len(sizes) == 1:
        return (x,)
    tensor = call.builder.read(x)
    place = call.builder.scalar(x.axis(axis), INT32)
    if len(set(sizes)) == 1:
        name = call.tf("Split", place, tensor, dtype=x.dtype, num_split=len(sizes))
    else:
        parts = call.builder.constant(f"{call.name}/sizes", np.array(sizes, np.int32))
        name = call.tf("SplitV", tensor, parts, place, num_split=len(sizes), Tlen=INT32)
    names = [name, *(f"{name}:{index}" for index in range(1, len(sizes)))]
    return tuple(Value(shape, x.permutation, part, dtype=x.dtype) for shape, part in zip(shapes, names, strict=True))
