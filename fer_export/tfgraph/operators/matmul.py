"""This module converts matrix products."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32, Array, Shape
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.operators.convolution import add_bias
from fer_export.tfgraph.operators.elementwise import aligned
from fer_export.tfgraph.registry import operator


@operator("Gemm", attributes=("alpha", "beta", "transA", "transB"), since=7)
def gemm(context: NodeContext) -> Value:
    """Compute alpha · A · B + beta · C; constant B and C take the factors in."""
    alpha, beta = float(context.attribute("alpha", 1.0)), float(context.attribute("beta", 1.0))
    weights, bias = context.value(1), context.optional(2)
    if weights.constant is None or context.attribute("transA", 0):
        return _plain(context, alpha, beta)
    matrix = weights.constant.T if context.attribute("transB", 0) else weights.constant
    product = _by_constant(context, context.raw(0), matrix * np.float32(alpha))
    if bias is None or not beta:
        return product
    if bias.constant is not None and bias.constant.size == matrix.shape[1] == bias.shape[-1]:
        row = constant((bias.constant * np.float32(beta)).reshape(-1), bias.tensor)
        return add_bias(context, product, row)
    return _plus(context, product, bias, beta)


@operator("MatMul", restrictions=("batch axes: at most one free size",))
def matmul(context: NodeContext) -> Value:
    """Multiply matrices, stacks of matrices, and vectors, as numpy.matmul does.

    1. [N, K] or [.., K] times a constant [K, M]: the axes before K are merged into one, so that TF.js takes
       its fast kernel, and bias and activation can be fused.
    2. Stacks: the last two axes of either input may be swapped in memory, which costs
       nothing; batch axes are in ONNX's order.
    """
    left, right = context.raw(0), context.value(1)
    if right.constant is not None and right.rank == 2 and left.rank >= 2:  # rule 1
        return _by_constant(context, left, right.constant)
    left = context.value(0)
    vector_left, vector_right = left.rank == 1, right.rank == 1
    if vector_left:
        left = _with_axis(context, left, 0)
    if vector_right:
        right = _with_axis(context, right, 1)
    shape = _result_shape(context, left, right)
    product = stacked(context, left, right, shape)
    if not vector_left and not vector_right:
        return product
    return context.result(context.builder.reshape(context.name, product.tensor, context.shapes[0]))


def stacked(context: NodeContext, left: Value, right: Value, shape: Shape) -> Value:
    """Apply rule 2 of MatMul: [.., M, K] · [.., K, N]."""
    left, right = _same_stacks(context, left, right)
    (a, flip_a), (b, flip_b) = _operand(context, left), _operand(context, right)
    op, flags = ("MatMul", ("transpose_a", "transpose_b")) if len(shape) == 2 else ("BatchMatMulV2", ("adj_x", "adj_y"))
    a, b = cast(context, a, FLOAT), cast(context, b, FLOAT)
    tensor = context.builder.emit(context.name, op, (a, b), {flags[0]: flip_a, flags[1]: flip_b})
    return context.result(cast(context, tensor, left.dtype), shape=shape)


def _plain(context: NodeContext, alpha: float, beta: float) -> Value:
    values = [context.value(0), context.value(1)]
    turned = [
        Value(v.shape[::-1], tuple(1 - axis for axis in v.permutation), v.tensor,
              None if v.constant is None else v.constant.T, dtype=v.dtype)
        if context.attribute(name, 0) else v
        for v, name in zip(values, ("transA", "transB"), strict=True)
    ]  # fmt: skip
    product = stacked(context, turned[0], turned[1], context.shapes[0])
    if alpha != 1.0:
        product = context.result(context.tf("Mul", product.tensor, alpha))
    bias = context.optional(2)
    return product if bias is None or not beta else _plus(context, product, bias, beta)


def _plus(context: NodeContext, product: Value, bias: Value, beta: float) -> Value:
    bias = context.builder.unflatten(bias)
    if beta != 1.0:
        bias = Value(bias.shape, bias.permutation, context.tf("Mul", context.builder.in_layout(bias), beta))
    tensors, layout = aligned(context, [product, bias])
    return context.result(context.tf("AddV2", *tensors), layout)


def _by_constant(context: NodeContext, x: Value, weights: Array) -> Value:
    """Multiply [.., K] by a constant [K, M]."""
    name = context.node.input[1]
    if x.columns is not None:
        # The flatten left the columns in TensorFlow's order, so the weights' rows take that order.
        tensor, weights = context.builder.in_layout(x), weights[x.columns]
    elif x.rank == 2:
        tensor = context.builder.in_layout(x, (0, 1))
    else:
        return _rows(context, x, weights)
    return context.emit("MatMul", (tensor, context.builder.constant(name, weights)), (0, 1),
                     transpose_a=False, transpose_b=False)  # fmt: skip


def _rows(context: NodeContext, x: Value, weights: Array) -> Value:
    """Merge the axes before the last in any order; the result is split again in the same order."""
    last = x.rank - 1
    layout = (*(axis for axis in x.permutation if axis != last), last)
    tensor = context.builder.in_layout(x, layout)
    shape = [x.shape[axis] for axis in layout]
    if shape.count(None) > 1:
        return stacked(context, x, constant(weights, context.node.input[1]), context.shapes[0])
    flat = context.builder.reshape(f"{context.name}/rows", tensor, (None, weights.shape[0]))
    product = context.tf("MatMul", flat, context.builder.constant(context.node.input[1], weights),
                      transpose_a=False, transpose_b=False)  # fmt: skip
    return context.result(context.builder.reshape(context.name, product, (*shape[:-1], weights.shape[1])), layout)


def _operand(context: NodeContext, x: Value) -> tuple[str, bool]:
    straight = identity(x.rank)
    turned = (*straight[:-2], straight[-1], straight[-2])
    if x.constant is None and x.permutation == turned:
        return context.builder.in_layout(x), True
    return context.builder.in_layout(x, straight), False


def _same_stacks(context: NodeContext, left: Value, right: Value) -> tuple[Value, Value]:
    """Repeat stacks that differ; TF.js's kernel repeats a stack of one only, and counts through any other."""
    one, two = left.shape[:-2], right.shape[:-2]
    if one == two or all(size == 1 for size in one) or all(size == 1 for size in two):
        return left, right
    common = _common(one, two)
    return _repeated(context, left, right, common), _repeated(context, right, left, common)


def _common(one: Shape, two: Shape) -> Shape:
    """Return the sizes of both stacks together: a free one is that of the other, or free."""
    rank = max(len(one), len(two))
    pairs = zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(two)) + two, strict=True)
    return tuple(b if a == 1 or (a is None and b != 1) else a for a, b in pairs)


def _repeated(context: NodeContext, x: Value, other: Value, stack: Shape) -> Value:
    missing = len(stack) - (x.rank - 2)
    own = (1,) * missing + x.shape[:-2]
    if not missing and all(size != 1 or wanted == 1 for size, wanted in zip(own, stack, strict=True)):
        return x
    shape = (*stack, *x.shape[-2:])
    if x.constant is not None and None not in stack:
        return constant(np.broadcast_to(x.constant, [size or 0 for size in shape]))
    tensor = context.builder.in_layout(x, identity(x.rank))
    tensor = context.tf("BroadcastTo", tensor, _sizes(context, x, other, shape), Tidx=INT32)
    return Value(shape, identity(len(shape)), tensor, dtype=x.dtype)


def _sizes(context: NodeContext, x: Value, other: Value, shape: Shape) -> str:
    """Return the sizes of `shape`; those that are free are read at run time, from that of the two which is so large."""
    if None not in shape:
        return context.builder.ints("shape", [size or 0 for size in shape])
    tensors = [context.builder.in_layout(value, identity(value.rank)) for value in (x, other)]
    read = [context.tf("Shape", tensor, dtype=INT32, out_type=INT32) for tensor in tensors]
    known = [size or 0 for size in shape]
    both = context.tf(
        "ConcatV2", *read, context.builder.ints("shape", known), context.builder.scalar(0, INT32), N=3, Tidx=INT32
    )
    picks = []
    for axis, size in enumerate(shape):
        here, there = axis - (len(shape) - x.rank), axis - (len(shape) - other.rank)
        if size is not None:
            picks.append(x.rank + other.rank + axis)
        elif here >= 0 and x.shape[here] is None:
            picks.append(here)
        else:
            picks.append(x.rank + there)
    indices, axis_0 = context.builder.ints("axes", picks), context.builder.scalar(0, INT32)
    return context.tf("GatherV2", both, indices, axis_0, batch_dims=0)


def _with_axis(context: NodeContext, x: Value, axis: int) -> Value:
    shape: Shape = (1, x.shape[0]) if axis == 0 else (x.shape[0], 1)
    if x.constant is not None:
        return constant(np.expand_dims(x.constant, axis))
    return Value(
        shape,
        (0, 1),
        context.builder.reshape(f"{context.name}/matrix", context.builder.in_layout(x), shape),
        dtype=x.dtype,
    )


def _result_shape(context: NodeContext, left: Value, right: Value) -> Shape:
    batch = context.shapes[0]
    rank = max(left.rank, right.rank) - 2
    return (*batch[:rank], left.shape[-2], right.shape[-1])
