"""This module converts operators that change the shape of a value and not its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import INT32, Shape
from fer_export.tfgraph.layout import Value, constant, flattened_columns, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator
from fer_export.tfgraph.reshaping import groups, in_place


@operator("Transpose", attributes=("perm",))
def transpose(context: NodeContext) -> Value:
    """Keep the tensor and permute the record of its axes, which costs nothing."""
    x = context.value(0)
    order = list(context.attribute("perm", range(x.rank)[::-1]))
    if x.constant is not None:
        return constant(x.constant.transpose(order))
    return Value(context.shapes[0], tuple(order.index(axis) for axis in x.permutation), x.tensor, dtype=x.dtype)


@operator("Flatten", attributes=("axis",))
def flatten(context: NodeContext) -> Value:
    """Reshape to two axes."""
    return reshaped(context, context.raw(0), context.shapes[0])


@operator("Reshape", attributes=("allowzero",), since=5, restrictions=("a computed target: no zeros in it",))
def reshape(context: NodeContext) -> Value:
    """Reshape to a constant shape, or to one that is computed in the graph."""
    target = context.value(1)
    shape = context.shapes[0]
    if target.constant is None and shape.count(None) > 1:
        return _computed(context, context.value(0), target)
    return reshaped(context, context.raw(0), shape)


@operator("Squeeze", "Unsqueeze", attributes=("axes",))
def squeeze(context: NodeContext) -> Value:
    """Remove or add axes of size 1; where several sizes are free, by TensorFlow's own operators."""
    x, shape = context.raw(0), context.shapes[0]
    if shape.count(None) <= 1 and x.shape.count(None) <= 1:
        return reshaped(context, x, shape)
    x = context.builder.unflatten(x)
    listed = context.attribute("axes", None)
    if listed is None:
        listed = context.constant(1, np.array([axis for axis, size in enumerate(x.shape) if size == 1])).tolist()
    if context.node.op_type == "Squeeze":
        gone = {axis % x.rank for axis in listed}
        left = [axis for axis in range(x.rank) if axis not in gone]
        layout = tuple(left.index(axis) for axis in x.permutation if axis not in gone)
        axes = tuple(sorted(x.axis(axis) for axis in gone))
        return context.emit("Squeeze", (context.builder.in_layout(x),), layout, squeeze_dims=axes)
    new = sorted(axis % len(shape) for axis in listed)
    old = [axis for axis in range(len(shape)) if axis not in new]
    tensor = context.builder.in_layout(x)
    for _ in new:
        tensor = context.tf("ExpandDims", tensor, context.builder.scalar(0, INT32))
    return context.result(tensor, (*new, *(old[axis] for axis in x.permutation)))


@operator("Expand", since=8)
def expand(context: NodeContext) -> Value:
    """Broadcast to a shape, which may be computed in the graph."""
    x, target = context.value(0), context.value(1)
    shape = context.shapes[0]
    if x.shape == shape and None not in shape:
        return context.raw(0)
    rank = len(shape)
    missing = rank - x.rank
    if target.constant is None:
        # The target is in ONNX's order; a size of 1 in it keeps the input's own.
        here = context.tf("Shape", context.builder.in_layout(x, identity(x.rank)), dtype=INT32)
        both = context.tf("BroadcastArgs", here, context.builder.in_layout(target))
        return context.emit(
            "BroadcastTo", (context.builder.in_layout(x, identity(x.rank)), both), identity(rank), Tidx=INT32
        )
    if None in shape:
        return _repeated(context, x, target)
    layout = (*range(missing), *(axis + missing for axis in x.permutation))
    if x.constant is not None:
        return constant(np.broadcast_to(x.constant, [size or 0 for size in shape]))
    sizes = context.builder.ints("shape", [shape[axis] or 0 for axis in layout])
    return context.emit("BroadcastTo", (context.builder.in_layout(x), sizes), layout, Tidx=INT32)


@operator("Tile", since=6)
def tile(context: NodeContext) -> Value:
    """Repeat along each axis, a constant number of times or one computed in the graph."""
    x, repeats = context.value(0), context.value(1)
    if repeats.constant is None:
        tensor = context.builder.in_layout(x, identity(x.rank))
        return context.emit("Tile", (tensor, context.builder.in_layout(repeats)), identity(x.rank), Tmultiples=INT32)
    times = repeats.constant.tolist()
    sizes = context.builder.ints("repeats", [times[axis] for axis in x.permutation])
    return context.emit("Tile", (context.builder.in_layout(x), sizes), x.permutation, Tmultiples=INT32)


@operator("Shape", attributes=("start", "end"))
def shape_of(context: NodeContext) -> Value:
    """Return the sizes in ONNX's order; they are read at run time where one is free."""
    x = context.value(0)
    sizes = context.tf("Shape", context.builder.in_layout(x), dtype=INT32, out_type=INT32)
    start, end = context.attribute("start", 0), context.attribute("end", x.rank)
    wanted = [x.axis(axis) for axis in range(x.rank)[start:end]]
    if wanted == list(range(x.rank)):
        return context.result(sizes)
    picks = context.builder.ints("axes", wanted)
    return context.emit("GatherV2", (sizes, picks, context.builder.scalar(0, INT32)), (0,), batch_dims=0)


@operator("Size")
def size_of(context: NodeContext) -> Value:
    """Return the number of values."""
    return context.emit("Size", (context.builder.in_layout(context.value(0)),), (), dtype=INT32, out_type=INT32)


@operator("DepthToSpace", attributes=("blocksize", "mode"), restrictions=("one free size at most",))
def depth_to_space(context: NodeContext) -> Value:
    """Turn channels into blocks of pixels: `DCR` is TensorFlow's own order, `CRD` needs a transpose of five axes."""
    x, block = context.value(0), context.attribute("blocksize", 1)
    layout = (0, 2, 3, 1)
    if context.attribute("mode", "DCR") == "DCR" and block > 1:
        tensor = context.builder.in_layout(x, layout)
        return context.emit("DepthToSpace", (tensor,), layout, block_size=block, data_format="NHWC")
    n, c, h, w = x.shape
    parts: Shape = (n, None if c is None else c // block**2, block, block, h, w)
    return _blocks(context, x, parts, (0, 1, 4, 2, 5, 3))


@operator("SpaceToDepth", attributes=("blocksize", "mode"), restrictions=("one free size at most",))
def space_to_depth(context: NodeContext) -> Value:
    """Turn blocks of pixels into channels, by reshapes and a transpose, since TF.js has no such operator."""
    x, block = context.value(0), context.attribute("blocksize", 1)
    n, c, h, w = x.shape
    if h is None or w is None:
        context.fail("height and width have to be known")
    order = (0, 3, 5, 1, 2, 4) if context.attribute("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return _blocks(context, x, (n, c, h // block, block, w // block, block), order)


def reshaped(context: NodeContext, x: Value, shape: Shape) -> Value:
    """Return a value in another shape, with at most one free size.

    1. A constant is reshaped here.
    2. A flatten to [N, K] of a tensor in another order keeps TensorFlow's order and records it in
       `columns`, so that a matrix product can take it as it is.
    3. Axes that are merged or split are brought next to each other in ONNX's order where they are
       not so already; all others keep their place (`reshaping`).
    4. Where free sizes hide which axes belong together, the value is first brought into ONNX's order.
    """
    if shape == x.shape and shape.count(None) <= 1:
        return x
    x = context.builder.unflatten(x)
    if x.constant is not None:  # rule 1
        return constant(x.constant.reshape([-1 if s is None else s for s in shape]))
    if shape.count(None) > 1:
        context.fail(f"a target shape with more than one free size: {list(shape)}")
    found = groups(x.shape, shape)
    if found is None:  # rule 4
        tensor = context.builder.reshape(context.name, context.builder.in_layout(x, identity(x.rank)), shape)
        return context.result(tensor, shape=shape)
    before, after = in_place(x.shape, x.permutation, found)
    in_order = _without_ones(x.shape, before) == _without_ones(x.shape, x.permutation)
    inner = [size for size in x.shape[1:] if size is not None]
    flat = len(shape) == 2 and shape[0] == x.shape[0] and x.permutation[0] == 0 and len(inner) == x.rank - 1
    if flat and not in_order:  # rule 2
        tensor = context.builder.reshape(context.name, x.tensor, shape)
        columns = flattened_columns(inner, x.permutation)
        return replace(context.result(tensor, (0, 1), shape=shape), columns=columns, flattened=x)
    tensor = x.tensor if in_order else context.builder.in_layout(x, before)  # rule 3
    tensor = context.builder.reshape(context.name, tensor, [shape[axis] for axis in after])
    return context.result(tensor, after, shape=shape)


def _computed(context: NodeContext, x: Value, target: Value) -> Value:
    tensor = context.builder.in_layout(x, identity(x.rank))
    return context.emit(
        "Reshape", (tensor, context.builder.in_layout(target)), identity(len(context.shapes[0])), Tshape=INT32
    )


def _repeated(context: NodeContext, x: Value, target: Value) -> Value:
    """Repeat axes of size 1 to reach a constant target where the input has free sizes."""
    assert target.constant is not None
    missing = len(context.shapes[0]) - x.rank
    layout = (*range(missing), *(axis + missing for axis in x.permutation))
    raised = (1,) * missing + x.shape
    wanted = [1] * (len(raised) - target.constant.size) + target.constant.tolist()
    times = [wanted[axis] if raised[axis] == 1 else 1 for axis in layout]
    tensor = context.builder.in_layout(x)
    for _ in range(missing):
        tensor = context.tf("ExpandDims", tensor, context.builder.scalar(0, INT32))
    return context.emit("Tile", (tensor, context.builder.ints("repeats", times)), layout, Tmultiples=INT32)


def _blocks(context: NodeContext, x: Value, parts: Shape, order: tuple[int, ...]) -> Value:
    split = reshaped(context, x, parts)
    moved = Value(
        tuple(parts[axis] for axis in order),
        tuple(order.index(axis) for axis in split.permutation),
        split.tensor,
        dtype=x.dtype,
    )
    return reshaped(context, moved, context.shapes[0])


def _without_ones(shape: Shape, permutation: tuple[int, ...]) -> list[int]:
    return [axis for axis in permutation if shape[axis] != 1]
