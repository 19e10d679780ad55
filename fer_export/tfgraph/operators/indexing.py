"""This module converts operators that gather and search by indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.registry import operator


@operator("Gather", attributes=("axis",))
def gather(context: NodeContext) -> Value:
    """Gather along one axis; the axes of the indices take its place."""
    x, indices = context.value(0), context.value(1)
    axis = context.axis(x)
    place = x.axis(axis)
    picks = _positive(context, indices, x.shape[axis])
    inputs = (context.builder.in_layout(x), picks, context.builder.scalar(place, INT32))
    extra = indices.rank - 1
    before = [a if a < axis else a + extra for a in x.permutation]
    layout = (*before[:place], *(axis + i for i in indices.permutation), *before[place + 1 :])
    return context.emit("GatherV2", inputs, layout, batch_dims=0, Taxis=INT32, Tparams=x.dtype, Tindices=INT32)


@operator("GatherElements", attributes=("axis",), since=11, restrictions=("known sizes",))
def gather_elements(context: NodeContext) -> Value:
    """Gather one value for each index, by GatherNd with the positions on the other axes added."""
    x, indices = context.value(0), context.value(1)
    full = full_indices(context, x, indices)
    return context.emit(
        "GatherNd", (context.builder.in_layout(x, identity(x.rank)), full), identity(indices.rank), Tindices=INT32
    )


@operator("GatherND", attributes=("batch_dims",), since=11, restrictions=("batch_dims > 0: known sizes",))
def gather_nd(context: NodeContext) -> Value:
    """Gather by tuples of indices; batch axes are added to the tuples."""
    x, indices = context.value(0), context.value(1)
    batch = context.attribute("batch_dims", 0)
    sizes = x.shape[batch:]
    tensor = positive_tuples(context, indices, sizes)
    if batch:
        shape = known(context, indices)
        own = np.indices(shape[:-1])[:batch]
        front = context.builder.constant(f"{context.name}/batch", np.stack(list(own), -1).astype(np.int32))
        axis = context.builder.scalar(len(shape) - 1, INT32)
        tensor = context.tf("ConcatV2", front, tensor, axis, N=2, Tidx=INT32)
    return context.emit(
        "GatherNd", (context.builder.in_layout(x, identity(x.rank)), tensor), identity(len(context.shapes[0]))
    )


@operator("Compress", attributes=("axis",), since=9, restrictions=("constant condition",))
def compress(context: NodeContext) -> Value:
    """Keep the places where the condition holds, on one axis or among all values in a row."""
    x = context.value(0)
    places = np.flatnonzero(context.constant(1)).astype(np.int32)
    name = context.builder.constant(f"{context.name}/indices", places)
    if "axis" not in context.attributes:
        flat = context.builder.reshape(f"{context.name}/flat", context.builder.in_layout(x, identity(x.rank)), (None,))
        return context.emit("GatherV2", (flat, name, context.builder.scalar(0, INT32)), (0,), batch_dims=0)
    axis = context.axis(x)
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    inputs = (context.builder.in_layout(x), name, context.builder.scalar(x.axis(axis), INT32))
    return context.emit("GatherV2", inputs, x.permutation, shape=shape, batch_dims=0)


@operator("OneHot", attributes=("axis",), since=9, restrictions=("constant depth",))
def one_hot(context: NodeContext) -> Value:
    """Write OneHot; TF.js adds the new axis at the end, and the layout says where ONNX has it."""
    indices = context.value(0)
    depth = int(context.constant(1).reshape(-1)[0])
    values = context.value(2)
    tensor = _modulo(context, cast(context, context.builder.in_layout(indices), INT32), depth)
    hot = context.tf("OneHot", tensor, context.builder.scalar(depth, INT32), context.builder.scalar(1, INT32),
                  context.builder.scalar(0, INT32), dtype=INT32, axis=-1, TI=INT32)  # fmt: skip
    off, on = (context.tf("GatherV2", context.builder.in_layout(values), context.builder.scalar(i, INT32),
                       context.builder.scalar(0, INT32)) for i in (0, 1))  # fmt: skip
    chosen = context.tf("SelectV2", cast(context, hot, BOOL), on, off, dtype=values.dtype)
    axis = context.attribute("axis", -1) % (indices.rank + 1)
    layout = (*(a if a < axis else a + 1 for a in indices.permutation), axis)
    return context.result(chosen, layout)


@operator("TopK", attributes=("axis", "largest", "sorted"), since=10, restrictions=("constant k",))
def top_k(context: NodeContext) -> tuple[Value, ...]:
    """Find the largest along the last axis of TensorFlow's tensor; the smallest are the largest of the negatives."""
    x = context.value(0)
    axis = context.axis(x, -1)
    count = int(context.constant(1).reshape(-1)[0])
    layout = (*(a for a in identity(x.rank) if a != axis), axis)
    tensor = context.builder.in_layout(x, layout)
    largest = context.attribute("largest", 1)
    if not largest:
        tensor = context.tf("Neg", tensor)
    found = context.tf("TopKV2", tensor, context.builder.scalar(count, INT32), sorted=True, Tk=INT32)
    values = found if largest else context.tf("Neg", found)
    picks = Value(context.shapes[1] if len(context.shapes) > 1 else (), layout, f"{found}:1", dtype=INT32)
    return context.result(values, layout), picks


@operator("ArgMax", "ArgMin", attributes=("axis", "keepdims", "select_last_index"))
def arg_extreme(context: NodeContext) -> Value:
    """Return the first index of the largest or smallest, or the last by reading the axis backwards."""
    x = context.value(0)
    axis = context.axis(x)
    place = x.axis(axis)
    tensor = context.builder.in_layout(x)
    last = context.attribute("select_last_index", 0)
    size = x.shape[axis]
    if last:
        if size is None:
            context.fail(f"select_last_index on axis {axis}, whose size is free")
        tensor = context.tf("ReverseV2", tensor, context.builder.ints("axes", [place]))
    tensor = context.tf(
        context.node.op_type, tensor, context.builder.scalar(place, INT32), dtype=INT32, output_type=INT32
    )
    if last and size is not None:
        tensor = context.tf("Sub", context.builder.scalar(size - 1, INT32), tensor)
    left = [a for a in range(x.rank) if a != axis]
    layout = tuple(left.index(a) for a in x.permutation if a != axis)
    if context.attribute("keepdims", 1):
        tensor = context.tf("ExpandDims", tensor, context.builder.scalar(place, INT32))
        layout = x.permutation
    return context.result(tensor, layout)


def _positive(context: NodeContext, indices: Value, size: int | None) -> str:
    """Return indices counted from the front, since TF.js's gather takes no others."""
    if indices.constant is not None:
        if (indices.constant >= 0).all():
            return context.builder.in_layout(indices)
        if size is None:
            context.fail("indices from the end of an axis with a free size")
        return context.builder.constant(f"{context.name}/indices", np.where(
            indices.constant < 0, indices.constant + size, indices.constant).astype(np.int32))  # fmt: skip
    tensor = context.builder.in_layout(indices)
    return tensor if size is None else _modulo(context, tensor, size)


def _modulo(context: NodeContext, tensor: str, size: int) -> str:
    """Add the size where an index counts from the end; an index outside the axis stays outside."""
    below = cast(context, context.tf("Less", tensor, 0, dtype=BOOL), INT32)
    return context.tf("AddV2", tensor, context.tf("Mul", below, size))


def positive_tuples(context: NodeContext, indices: Value, sizes: tuple[int | None, ...]) -> str:
    """Return tuples [.., axes] in ONNX's order, counted from the front where the sizes of those axes are known."""
    tensor = context.builder.in_layout(indices, identity(indices.rank))
    count = indices.shape[-1] or 0
    if indices.constant is not None and (indices.constant >= 0).all():
        return tensor
    if any(size is None for size in sizes[:count]):
        return tensor
    below = cast(context, context.tf("Less", tensor, 0, dtype=BOOL), INT32)
    return context.tf(
        "AddV2", tensor, context.tf("Mul", below, context.builder.ints("sizes", [s or 0 for s in sizes[:count]]))
    )


def full_indices(context: NodeContext, x: Value, indices: Value) -> str:
    """Return [*shape, rank]: for each place of `indices`, the full position in `x` that it refers to."""
    shape = known(context, indices)
    axis = context.axis(x)
    tensor = _modulo(context, context.builder.in_layout(indices, identity(indices.rank)), known(context, x)[axis])
    parts = []
    for index, grid in enumerate(np.indices(shape)):
        parts.append(
            tensor if index == axis else context.builder.constant(f"{context.name}/axis{index}", grid.astype(np.int32))
        )
    return context.tf("Pack", *parts, dtype=INT32, N=len(parts), axis=len(shape))


def known(context: NodeContext, value: Value) -> list[int]:
    """Return the sizes of a value, none of which may be free."""
    if None in value.shape:
        context.fail(f"a free size in {list(value.shape)}")
    return [size or 0 for size in value.shape]
