"""This module converts concatenation and splitting along one axis, in the layout that the values have."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator


@operator("Concat", attributes=("axis",), since=4)
def concat(context: NodeContext) -> Value:
    """Concatenate in the layout of the first input that is not a constant."""
    values = [context.value(index) for index in range(len(context.inputs))]
    # Empty parts are left out: they do not change the result, and TF.js has no kernel for them.
    values = [value for value in values if 0 not in value.shape] or values[:1]
    if len(values) == 1:
        return values[0]
    leader = next((value for value in values if value.constant is None), None)
    layout = identity(values[0].rank) if leader is None else leader.permutation
    tensors = [context.builder.in_layout(value, layout) for value in values]
    axis = layout.index(context.axis(values[0]))
    name = context.builder.scalar(axis, INT32)
    return context.emit("ConcatV2", (*tensors, name), layout, N=len(tensors), Tidx=INT32)


@operator("Split", attributes=("axis", "split", "num_outputs"), since=2, restrictions=("constant sizes",))
def split(context: NodeContext) -> tuple[Value, ...]:
    """Split into equal parts, parts of given sizes, or `num_outputs` parts of which the last may be smaller."""
    x = context.value(0)
    axis = context.axis(x)
    count = len(context.node.output)
    sizes = context.attribute("split", None)
    if sizes is None and context.optional(1) is not None:
        sizes = context.constant(1).tolist()
    total = x.shape[axis]
    if sizes is None:
        if total is None:
            context.fail(f"axis {axis} has a free size, and the parts are not given")
        part = -(-total // count)
        sizes = [part] * (count - 1) + [total - part * (count - 1)]
    return pieces(context, x, axis, list(sizes))


def pieces(context: NodeContext, x: Value, axis: int, sizes: list[int]) -> tuple[Value, ...]:
    """Cut a value along an ONNX axis into parts of these sizes."""
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    if len(sizes) == 1:
        return (x,)
    tensor = context.builder.in_layout(x)
    place = context.builder.scalar(x.axis(axis), INT32)
    if len(set(sizes)) == 1:
        name = context.tf("Split", place, tensor, dtype=x.dtype, num_split=len(sizes))
    else:
        parts = context.builder.constant(f"{context.name}/sizes", np.array(sizes, np.int32))
        name = context.tf("SplitV", tensor, parts, place, num_split=len(sizes), Tlen=INT32)
    names = [name, *(f"{name}:{index}" for index in range(1, len(sizes)))]
    return tuple(Value(shape, x.permutation, part, dtype=x.dtype) for shape, part in zip(shapes, names, strict=True))
