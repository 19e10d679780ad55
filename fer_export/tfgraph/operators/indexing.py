"""Gathering and searching by indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.registry import operator


@operator("Gather", attributes=("axis",))
def gather(call: Call) -> Value:
    """Along one axis: the axes of the indices take its place."""
    x, indices = call.value(0), call.value(1)
    axis = call.axis(x)
    place = x.axis(axis)
    picks = _positive(call, indices, x.shape[axis])
    inputs = (call.builder.read(x), picks, call.builder.scalar(place, INT32))
    extra = indices.rank - 1
    before = [a if a < axis else a + extra for a in x.permutation]
    layout = (*before[:place], *(axis + i for i in indices.permutation), *before[place + 1 :])
    return call.emit("GatherV2", inputs, layout, batch_dims=0, Taxis=INT32, Tparams=x.dtype, Tindices=INT32)


@operator("GatherElements", attributes=("axis",), since=11, restrictions=("known sizes",))
def gather_elements(call: Call) -> Value:
    """One index for each value of the output, by GatherNd with the other axes' own positions."""
    x, indices = call.value(0), call.value(1)
    full = full_indices(call, x, indices)
    return call.emit("GatherNd", (call.builder.read(x, identity(x.rank)), full), identity(indices.rank), Tindices=INT32)


@operator("GatherND", attributes=("batch_dims",), since=11, restrictions=("batch_dims > 0: known sizes",))
def gather_nd(call: Call) -> Value:
    """Tuples of indices; batch axes are counted out into the tuples."""
    x, indices = call.value(0), call.value(1)
    batch = call.attribute("batch_dims", 0)
    sizes = x.shape[batch:]
    tensor = positive_tuples(call, indices, sizes)
    if batch:
        shape = known(call, indices)
        own = np.indices(shape[:-1])[:batch]
        front = call.builder.constant(f"{call.name}/batch", np.stack(list(own), -1).astype(np.int32))
        axis = call.builder.scalar(len(shape) - 1, INT32)
        tensor = call.tf("ConcatV2", front, tensor, axis, N=2, Tidx=INT32)
    return call.emit("GatherNd", (call.builder.read(x, identity(x.rank)), tensor), identity(len(call.shapes[0])))


@operator("Compress", attributes=("axis",), since=9, restrictions=("constant condition",))
def compress(call: Call) -> Value:
    """The places where the condition holds, of one axis or of all values in a row."""
    x = call.value(0)
    places = np.flatnonzero(call.constant(1)).astype(np.int32)
    name = call.builder.constant(f"{call.name}/indices", places)
    if "axis" not in call.attributes:
        flat = call.builder.reshape(f"{call.name}/flat", call.builder.read(x, identity(x.rank)), (None,))
        return call.emit("GatherV2", (flat, name, call.builder.scalar(0, INT32)), (0,), batch_dims=0)
    axis = call.axis(x)
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    inputs = (call.builder.read(x), name, call.builder.scalar(x.axis(axis), INT32))
    return call.emit("GatherV2", inputs, x.permutation, shape=shape, batch_dims=0)


@operator("OneHot", attributes=("axis",), since=9, restrictions=("constant depth",))
def one_hot(call: Call) -> Value:
    """TF.js puts the new axis last; where ONNX wants it is a matter of layout."""
    indices = call.value(0)
    depth = int(call.constant(1).reshape(-1)[0])
    values = call.value(2)
    tensor = _modulo(call, cast(call, call.builder.read(indices), INT32), depth)
    hot = call.tf("OneHot", tensor, call.builder.scalar(depth, INT32), call.builder.scalar(1, INT32),
                  call.builder.scalar(0, INT32), dtype=INT32, axis=-1, TI=INT32)  # fmt: skip
    off, on = (call.tf("GatherV2", call.builder.read(values), call.builder.scalar(i, INT32),
                       call.builder.scalar(0, INT32)) for i in (0, 1))  # fmt: skip
    chosen = call.tf("SelectV2", cast(call, hot, BOOL), on, off, dtype=values.dtype)
    axis = call.attribute("axis", -1) % (indices.rank + 1)
    layout = (*(a if a < axis else a + 1 for a in indices.permutation), axis)
    return call.result(chosen, layout)


@operator("TopK", attributes=("axis", "largest", "sorted"), since=10, restrictions=("constant k",))
def top_k(call: Call) -> tuple[Value, ...]:
    """On the last axis of TensorFlow's tensor; the smallest are the largest of the negatives."""
    x = call.value(0)
    axis = call.axis(x, -1)
    count = int(call.constant(1).reshape(-1)[0])
    layout = (*(a for a in identity(x.rank) if a != axis), axis)
    tensor = call.builder.read(x, layout)
    largest = call.attribute("largest", 1)
    if not largest:
        tensor = call.tf("Neg", tensor)
    found = call.tf("TopKV2", tensor, call.builder.scalar(count, INT32), sorted=True, Tk=INT32)
    values = found if largest else call.tf("Neg", found)
    picks = Value(call.shapes[1] if len(call.shapes) > 1 else (), layout, f"{found}:1", dtype=INT32)
    return call.result(values, layout), picks


@operator("ArgMax", "ArgMin", attributes=("axis", "keepdims", "select_last_index"))
def arg_extreme(call: Call) -> Value:
    """The first index, or the last: then the axis is read backwards."""
    x = call.value(0)
    axis = call.axis(x)
    place = x.axis(axis)
    tensor = call.builder.read(x)
    last = call.attribute("select_last_index", 0)
    size = x.shape[axis]
    if last:
        if size is None:
            call.fail(f"select_last_index on axis {axis}, whose size is free")
        tensor = call.tf("ReverseV2", tensor, call.builder.ints("axes", [place]))
    tensor = call.tf(call.node.op_type, tensor, call.builder.scalar(place, INT32), dtype=INT32, output_type=INT32)
    if last and size is not None:
        tensor = call.tf("Sub", call.builder.scalar(size - 1, INT32), tensor)
    left = [a for a in range(x.rank) if a != axis]
    layout = tuple(left.index(a) for a in x.permutation if a != axis)
    if call.attribute("keepdims", 1):
        tensor = call.tf("ExpandDims", tensor, call.builder.scalar(place, INT32))
        layout = x.permutation
    return call.result(tensor, layout)


def _positive(call: Call, indices: Value, size: int | None) -> str:
    """Indices counted from the front; TF.js's gather takes no others."""
    if indices.constant is not None:
        if (indices.constant >= 0).all():
            return call.builder.read(indices)
        if size is None:
            call.fail("indices from the end of an axis with a free size")
        return call.builder.constant(f"{call.name}/indices", np.where(
            indices.constant < 0, indices.constant + size, indices.constant).astype(np.int32))  # fmt: skip
    tensor = call.builder.read(indices)
    return tensor if size is None else _modulo(call, tensor, size)


def _modulo(call: Call, tensor: str, size: int) -> str:
    """Adds the size where an index counts from the end, and leaves what lies outside outside."""
    below = cast(call, call.tf("Less", tensor, 0, dtype=BOOL), INT32)
    return call.tf("AddV2", tensor, call.tf("Mul", below, size))


def positive_tuples(call: Call, indices: Value, sizes: tuple[int | None, ...]) -> str:
    """[.., axes] in ONNX's order, each counted from the front where the sizes of those axes are known."""
    tensor = call.builder.read(indices, identity(indices.rank))
    count = indices.shape[-1] or 0
    if indices.constant is not None and (indices.constant >= 0).all():
        return tensor
    if any(size is None for size in sizes[:count]):
        return tensor
    below = cast(call, call.tf("Less", tensor, 0, dtype=BOOL), INT32)
    return call.tf("AddV2", tensor, call.tf("Mul", below, call.builder.ints("sizes", [s or 0 for s in sizes[:count]])))


def full_indices(call: Call, x: Value, indices: Value) -> str:
    """[*shape, rank]: for every place of `indices`, where it points to in `x`."""
    shape = known(call, indices)
    axis = call.axis(x)
    tensor = _modulo(call, call.builder.read(indices, identity(indices.rank)), known(call, x)[axis])
    parts = []
    for index, grid in enumerate(np.indices(shape)):
        parts.append(
            tensor if index == axis else call.builder.constant(f"{call.name}/axis{index}", grid.astype(np.int32))
        )
    return call.tf("Pack", *parts, dtype=INT32, N=len(parts), axis=len(shape))


def known(call: Call, value: Value) -> list[int]:
    """The sizes of a value none of which may be free."""
    if None in value.shape:
        call.fail(f"a free size in {list(value.shape)}")
    return [size or 0 for size in value.shape]
