"""Matrix products."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32, Array, Shape
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.operators.convolution import add_bias
from fer_export.tfgraph.operators.elementwise import aligned
from fer_export.tfgraph.registry import operator


@operator("Gemm", attributes=("alpha", "beta", "transA", "transB"), since=7)
def gemm(call: Call) -> Value:
    """alpha · A · B + beta · C; the factors go into the constants where B and C are some."""
    alpha, beta = float(call.attribute("alpha", 1.0)), float(call.attribute("beta", 1.0))
    weights, bias = call.value(1), call.optional(2)
    if weights.constant is None or call.attribute("transA", 0):
        return _plain(call, alpha, beta)
    matrix = weights.constant.T if call.attribute("transB", 0) else weights.constant
    product = _by_constant(call, call.raw(0), matrix * np.float32(alpha))
    if bias is None or not beta:
        return product
    if bias.constant is not None and bias.constant.size == matrix.shape[1] == bias.shape[-1]:
        row = constant((bias.constant * np.float32(beta)).reshape(-1), bias.tensor)
        return add_bias(call, product, row)
    return _plus(call, product, bias, beta)


@operator("MatMul", restrictions=("batch axes: at most one free size",))
def matmul(call: Call) -> Value:
    """Matrices, stacks of them, and vectors, as numpy.matmul has it.

    1. [N, K] or [.., K] times a constant [K, M]: the axes before K become one, so that TF.js takes
       its fast kernel, and bias and activation can be fused.
    2. Stacks: the last two axes of either may stand the other way round in memory, which costs
       nothing; batch axes are in ONNX's order.
    """
    left, right = call.raw(0), call.value(1)
    if right.constant is not None and right.rank == 2 and left.rank >= 2:  # rule 1
        return _by_constant(call, left, right.constant)
    left = call.value(0)
    vector_left, vector_right = left.rank == 1, right.rank == 1
    if vector_left:
        left = _with_axis(call, left, 0)
    if vector_right:
        right = _with_axis(call, right, 1)
    shape = _result_shape(call, left, right)
    product = stacked(call, left, right, shape)
    if not vector_left and not vector_right:
        return product
    return call.result(call.builder.reshape(call.name, product.tensor, call.shapes[0]))


def stacked(call: Call, left: Value, right: Value, shape: Shape) -> Value:
    """Rule 2 of MatMul: [.., M, K] · [.., K, N]."""
    left, right = _same_stacks(call, left, right)
    (a, flip_a), (b, flip_b) = _operand(call, left), _operand(call, right)
    op, flags = ("MatMul", ("transpose_a", "transpose_b")) if len(shape) == 2 else ("BatchMatMulV2", ("adj_x", "adj_y"))
    a, b = cast(call, a, FLOAT), cast(call, b, FLOAT)
    tensor = call.builder.emit(call.name, op, (a, b), {flags[0]: flip_a, flags[1]: flip_b})
    return call.result(cast(call, tensor, left.dtype), shape=shape)


def _plain(call: Call, alpha: float, beta: float) -> Value:
    values = [call.value(0), call.value(1)]
    turned = [
        Value(v.shape[::-1], tuple(1 - axis for axis in v.permutation), v.tensor,
              None if v.constant is None else v.constant.T, dtype=v.dtype)
        if call.attribute(name, 0) else v
        for v, name in zip(values, ("transA", "transB"), strict=True)
    ]  # fmt: skip
    product = stacked(call, turned[0], turned[1], call.shapes[0])
    if alpha != 1.0:
        product = call.result(call.tf("Mul", product.tensor, alpha))
    bias = call.optional(2)
    return product if bias is None or not beta else _plus(call, product, bias, beta)


def _plus(call: Call, product: Value, bias: Value, beta: float) -> Value:
    bias = call.builder.unflatten(bias)
    if beta != 1.0:
        bias = Value(bias.shape, bias.permutation, call.tf("Mul", call.builder.read(bias), beta))
    tensors, layout = aligned(call, [product, bias])
    return call.result(call.tf("AddV2", *tensors), layout)


def _by_constant(call: Call, x: Value, weights: Array) -> Value:
    """[.., K] times a constant [K, M]."""
    name = call.node.input[1]
    if x.columns is not None:
        # The flatten left TensorFlow's order in the columns: put the rows in that order instead.
        tensor, weights = call.builder.read(x), weights[x.columns]
    elif x.rank == 2:
        tensor = call.builder.read(x, (0, 1))
    else:
        return _rows(call, x, weights)
    return call.emit("MatMul", (tensor, call.builder.constant(name, weights)), (0, 1),
                     transpose_a=False, transpose_b=False)  # fmt: skip


def _rows(call: Call, x: Value, weights: Array) -> Value:
    """The axes before the last may stand in any order: they only have to come back in it."""
    last = x.rank - 1
    layout = (*(axis for axis in x.permutation if axis != last), last)
    tensor = call.builder.read(x, layout)
    shape = [x.shape[axis] for axis in layout]
    if shape.count(None) > 1:
        return stacked(call, x, constant(weights, call.node.input[1]), call.shapes[0])
    flat = call.builder.reshape(f"{call.name}/rows", tensor, (None, weights.shape[0]))
    product = call.tf("MatMul", flat, call.builder.constant(call.node.input[1], weights),
                      transpose_a=False, transpose_b=False)  # fmt: skip
    return call.result(call.builder.reshape(call.name, product, (*shape[:-1], weights.shape[1])), layout)


def _operand(call: Call, x: Value) -> tuple[str, bool]:
    straight = identity(x.rank)
    turned = (*straight[:-2], straight[-1], straight[-2])
    if x.constant is None and x.permutation == turned:
        return call.builder.read(x), True
    return call.builder.read(x, straight), False


def _same_stacks(call: Call, left: Value, right: Value) -> tuple[Value, Value]:
    """TF.js's kernel repeats a stack of one, and takes others as if they were alike: repeat them here."""
    one, two = left.shape[:-2], right.shape[:-2]
    if one == two or all(size == 1 for size in one) or all(size == 1 for size in two) or None in (*one, *two):
        return left, right
    common = np.broadcast_shapes([size or 0 for size in one], [size or 0 for size in two])
    return _repeated(call, left, common), _repeated(call, right, common)


def _repeated(call: Call, x: Value, stack: tuple[int, ...]) -> Value:
    shape = (*stack, *x.shape[-2:])
    if shape == x.shape:
        return x
    if x.constant is not None:
        return constant(np.broadcast_to(x.constant, [size or 0 for size in shape]))
    tensor = call.builder.read(x, identity(x.rank))
    tensor = call.tf("BroadcastTo", tensor, call.builder.ints("shape", [size or 0 for size in shape]), Tidx=INT32)
    return Value(shape, identity(len(shape)), tensor, dtype=x.dtype)


def _with_axis(call: Call, x: Value, axis: int) -> Value:
    shape: Shape = (1, x.shape[0]) if axis == 0 else (x.shape[0], 1)
    if x.constant is not None:
        return constant(np.expand_dims(x.constant, axis))
    return Value(shape, (0, 1), call.builder.reshape(f"{call.name}/matrix", call.builder.read(x), shape), dtype=x.dtype)


def _result_shape(call: Call, left: Value, right: Value) -> Shape:
    batch = call.shapes[0]
    rank = max(left.rank, right.rank) - 2
    return (*batch[:rank], left.shape[-2], right.shape[-1])
