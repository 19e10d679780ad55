"""Operators that change how values are counted, not the values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import INT32, Shape
from fer_export.tfgraph.layout import Value, constant, flattened_columns, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator
from fer_export.tfgraph.reshaping import groups, in_place


@operator("Transpose", attributes=("perm",))
def transpose(call: Call) -> Value:
    """Costs nothing: the same tensor, with another account of its axes."""
    x = call.value(0)
    order = list(call.attribute("perm", range(x.rank)[::-1]))
    if x.constant is not None:
        return constant(x.constant.transpose(order))
    return Value(call.shapes[0], tuple(order.index(axis) for axis in x.permutation), x.tensor, dtype=x.dtype)


@operator("Flatten", attributes=("axis",))
def flatten(call: Call) -> Value:
    """To two axes."""
    return reshaped(call, call.raw(0), call.shapes[0])


@operator("Reshape", attributes=("allowzero",), since=5, restrictions=("a computed target: no zeros in it",))
def reshape(call: Call) -> Value:
    """To a constant shape, or to one that is computed in the graph."""
    target = call.value(1)
    shape = call.shapes[0]
    if target.constant is None and shape.count(None) > 1:
        return _computed(call, call.value(0), target)
    return reshaped(call, call.raw(0), shape)


@operator("Squeeze", "Unsqueeze", attributes=("axes",))
def squeeze(call: Call) -> Value:
    """Axes of size 1 go or come; where several sizes are free, by TensorFlow's own operators."""
    x, shape = call.raw(0), call.shapes[0]
    if shape.count(None) <= 1 and x.shape.count(None) <= 1:
        return reshaped(call, x, shape)
    x = call.builder.unflatten(x)
    listed = call.attribute("axes", None)
    if listed is None:
        listed = call.constant(1, np.array([axis for axis, size in enumerate(x.shape) if size == 1])).tolist()
    if call.node.op_type == "Squeeze":
        gone = {axis % x.rank for axis in listed}
        left = [axis for axis in range(x.rank) if axis not in gone]
        layout = tuple(left.index(axis) for axis in x.permutation if axis not in gone)
        axes = tuple(sorted(x.axis(axis) for axis in gone))
        return call.emit("Squeeze", (call.builder.read(x),), layout, squeeze_dims=axes)
    new = sorted(axis % len(shape) for axis in listed)
    old = [axis for axis in range(len(shape)) if axis not in new]
    tensor = call.builder.read(x)
    for _ in new:
        tensor = call.tf("ExpandDims", tensor, call.builder.scalar(0, INT32))
    return call.result(tensor, (*new, *(old[axis] for axis in x.permutation)))


@operator("Expand", since=8)
def expand(call: Call) -> Value:
    """Broadcasting to a shape, which may be computed in the graph."""
    x, target = call.value(0), call.value(1)
    shape = call.shapes[0]
    if x.shape == shape and None not in shape:
        return call.raw(0)
    rank = len(shape)
    missing = rank - x.rank
    if target.constant is None:
        # The target counts in ONNX's order; sizes of 1 in it leave the input's own.
        here = call.tf("Shape", call.builder.read(x, identity(x.rank)), dtype=INT32)
        both = call.tf("BroadcastArgs", here, call.builder.read(target))
        return call.emit("BroadcastTo", (call.builder.read(x, identity(x.rank)), both), identity(rank), Tidx=INT32)
    if None in shape:
        return _repeated(call, x, target)
    layout = (*range(missing), *(axis + missing for axis in x.permutation))
    if x.constant is not None:
        return constant(np.broadcast_to(x.constant, [size or 0 for size in shape]))
    sizes = call.builder.ints("shape", [shape[axis] or 0 for axis in layout])
    return call.emit("BroadcastTo", (call.builder.read(x), sizes), layout, Tidx=INT32)


@operator("Tile", since=6)
def tile(call: Call) -> Value:
    """A constant number of times along each axis, or one computed in the graph."""
    x, repeats = call.value(0), call.value(1)
    if repeats.constant is None:
        tensor = call.builder.read(x, identity(x.rank))
        return call.emit("Tile", (tensor, call.builder.read(repeats)), identity(x.rank), Tmultiples=INT32)
    times = repeats.constant.tolist()
    sizes = call.builder.ints("repeats", [times[axis] for axis in x.permutation])
    return call.emit("Tile", (call.builder.read(x), sizes), x.permutation, Tmultiples=INT32)


@operator("Shape", attributes=("start", "end"))
def shape_of(call: Call) -> Value:
    """Sizes in ONNX's order, at run time where one is free."""
    x = call.value(0)
    sizes = call.tf("Shape", call.builder.read(x), dtype=INT32, out_type=INT32)
    start, end = call.attribute("start", 0), call.attribute("end", x.rank)
    wanted = [x.axis(axis) for axis in range(x.rank)[start:end]]
    if wanted == list(range(x.rank)):
        return call.result(sizes)
    picks = call.builder.ints("axes", wanted)
    return call.emit("GatherV2", (sizes, picks, call.builder.scalar(0, INT32)), (0,), batch_dims=0)


@operator("Size")
def size_of(call: Call) -> Value:
    """The number of values."""
    return call.emit("Size", (call.builder.read(call.value(0)),), (), dtype=INT32, out_type=INT32)


@operator("DepthToSpace", attributes=("blocksize", "mode"), restrictions=("one free size at most",))
def depth_to_space(call: Call) -> Value:
    """Channels become blocks of pixels: `DCR` is TensorFlow's own order, `CRD` a transpose of five axes."""
    x, block = call.value(0), call.attribute("blocksize", 1)
    layout = (0, 2, 3, 1)
    if call.attribute("mode", "DCR") == "DCR" and block > 1:
        tensor = call.builder.read(x, layout)
        return call.emit("DepthToSpace", (tensor,), layout, block_size=block, data_format="NHWC")
    n, c, h, w = x.shape
    parts: Shape = (n, None if c is None else c // block**2, block, block, h, w)
    return _blocks(call, x, parts, (0, 1, 4, 2, 5, 3))


@operator("SpaceToDepth", attributes=("blocksize", "mode"), restrictions=("one free size at most",))
def space_to_depth(call: Call) -> Value:
    """Blocks of pixels become channels; TF.js has no operator of its own for it."""
    x, block = call.value(0), call.attribute("blocksize", 1)
    n, c, h, w = x.shape
    if h is None or w is None:
        call.fail("height and width have to be known")
    order = (0, 3, 5, 1, 2, 4) if call.attribute("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return _blocks(call, x, (n, c, h // block, block, w // block, block), order)


def reshaped(call: Call, x: Value, shape: Shape) -> Value:
    """A value in another shape, with one free size at most.

    1. A constant is reshaped here.
    2. A flatten to [N, K] of a tensor in another order keeps TensorFlow's order and says so in
       `columns`, so that a matrix product can take it as it is.
    3. Axes that are merged or split are brought next to each other in ONNX's order, where they are
       not already; all others keep their place (`reshaping`).
    4. Where free sizes hide which axes belong together, the value is brought into ONNX's order.
    """
    if shape == x.shape and shape.count(None) <= 1:
        return x
    x = call.builder.unflatten(x)
    if x.constant is not None:  # rule 1
        return constant(x.constant.reshape([-1 if s is None else s for s in shape]))
    if shape.count(None) > 1:
        call.fail(f"a target shape with more than one free size: {list(shape)}")
    found = groups(x.shape, shape)
    if found is None:  # rule 4
        tensor = call.builder.reshape(call.name, call.builder.read(x, identity(x.rank)), shape)
        return call.result(tensor, shape=shape)
    before, after = in_place(x.shape, x.permutation, found)
    in_order = _without_ones(x.shape, before) == _without_ones(x.shape, x.permutation)
    inner = [size for size in x.shape[1:] if size is not None]
    flat = len(shape) == 2 and shape[0] == x.shape[0] and x.permutation[0] == 0 and len(inner) == x.rank - 1
    if flat and not in_order:  # rule 2
        tensor = call.builder.reshape(call.name, x.tensor, shape)
        columns = flattened_columns(inner, x.permutation)
        return replace(call.result(tensor, (0, 1), shape=shape), columns=columns, flattened=x)
    tensor = x.tensor if in_order else call.builder.read(x, before)  # rule 3
    tensor = call.builder.reshape(call.name, tensor, [shape[axis] for axis in after])
    return call.result(tensor, after, shape=shape)


def _computed(call: Call, x: Value, target: Value) -> Value:
    tensor = call.builder.read(x, identity(x.rank))
    return call.emit("Reshape", (tensor, call.builder.read(target)), identity(len(call.shapes[0])), Tshape=INT32)


def _repeated(call: Call, x: Value, target: Value) -> Value:
    """A constant target and free sizes of the input: only axes of size 1 are repeated."""
    assert target.constant is not None
    missing = len(call.shapes[0]) - x.rank
    layout = (*range(missing), *(axis + missing for axis in x.permutation))
    raised = (1,) * missing + x.shape
    wanted = [1] * (len(raised) - target.constant.size) + target.constant.tolist()
    times = [wanted[axis] if raised[axis] == 1 else 1 for axis in layout]
    tensor = call.builder.read(x)
    for _ in range(missing):
        tensor = call.tf("ExpandDims", tensor, call.builder.scalar(0, INT32))
    return call.emit("Tile", (tensor, call.builder.ints("repeats", times)), layout, Tmultiples=INT32)


def _blocks(call: Call, x: Value, parts: Shape, order: tuple[int, ...]) -> Value:
    split = reshaped(call, x, parts)
    moved = Value(
        tuple(parts[axis] for axis in order),
        tuple(order.index(axis) for axis in split.permutation),
        split.tensor,
        dtype=x.dtype,
    )
    return reshaped(call, moved, call.shapes[0])


def _without_ones(shape: Shape, permutation: tuple[int, ...]) -> list[int]:
    return [axis for axis in permutation if shape[axis] != 1]
