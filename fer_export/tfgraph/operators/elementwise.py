"""This module converts operators that work value by value; the layout of their input is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32
from fer_export.tfgraph.layout import Permutation, Value
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.registry import operator

_BINARY = {"Add": "AddV2", "Sub": "Sub", "Mul": "Mul"}
_UNARY = {
    "Abs": "Abs",
    "Acos": "Acos",
    "Acosh": "Acosh",
    "Asin": "Asin",
    "Asinh": "Asinh",
    "Atan": "Atan",
    "Atanh": "Atanh",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Log": "Log",
    "Neg": "Neg",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Round": "Round",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Softplus": "Softplus",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
    "Tanh": "Tanh",
}
_MANY = {"Max": "Maximum", "Min": "Minimum", "Sum": "AddV2", "Mean": "AddV2"}


@operator(*_BINARY, since=7)
def binary(context: NodeContext) -> Value:
    """Broadcast two inputs from the right, as ONNX and TensorFlow both do once the axes are in one order."""
    tensors, layout = aligned(context, [context.value(0), context.value(1)])
    return context.emit(_BINARY[context.node.op_type], tensors, layout)


@operator("Div", since=7)
def divide(context: NodeContext) -> Value:
    """Divide; integers are divided towards zero, by absolute values, since TensorFlow's FloorDiv rounds down."""
    (left, right), layout = aligned(context, [context.value(0), context.value(1)])
    if context.dtypes[0] == FLOAT:
        return context.emit("RealDiv", (left, right), layout)
    sizes = context.tf("FloorDiv", context.tf("Abs", left), context.tf("Abs", right))
    signs = context.tf("Mul", _sign(context, left), _sign(context, right))
    return context.emit("Mul", (sizes, signs), layout)


@operator("Pow", since=7)
def power(context: NodeContext) -> Value:
    """Raise to a power in float32; the result has the type of the base. Squares and roots use own operators."""
    base, exponent = context.value(0), context.value(1)
    known = exponent.constant
    if known is not None and known.size == 1 and base.dtype == FLOAT and exponent.rank <= base.rank:
        single = {2.0: "Square", 0.5: "Sqrt", -0.5: "Rsqrt", -1.0: "Reciprocal"}.get(float(known.reshape(())))
        if single is not None:
            return context.emit(single, (context.builder.in_layout(base),), base.permutation)
    (left, right), layout = aligned(context, [base, exponent])
    tensor = context.tf("Pow", cast(context, left, FLOAT), cast(context, right, FLOAT))
    return context.result(cast(context, tensor, base.dtype), layout)


@operator("Mod", attributes=("fmod",), since=10)
def modulo(context: NodeContext) -> Value:
    """Compute the remainder: fmod 0 has the sign of the divisor, fmod 1 that of the dividend, as C's fmod."""
    (left, right), layout = aligned(context, [context.value(0), context.value(1)])
    if context.attribute("fmod", 0):
        size = _remainder(context, context.tf("Abs", left), context.tf("Abs", right))
        return context.emit("Mul", (size, _sign(context, left)), layout)
    return context.result(_remainder(context, left, right), layout)


@operator(*_MANY, since=8)
def many(context: NodeContext) -> Value:
    """Combine any number of inputs, one after the other."""
    values = [context.value(index) for index in range(len(context.inputs))]
    tensors, layout = aligned(context, values)
    if len(tensors) == 1:
        return values[0]
    op = _MANY[context.node.op_type]
    tensor = reduce(lambda left, right: context.tf(op, left, right), tensors)
    if context.node.op_type == "Mean":
        tensor = context.tf("Mul", tensor, 1 / len(tensors))
    return context.result(tensor, layout)


@operator(*_UNARY)
def unary(context: NodeContext) -> Value:
    """Apply an operator that has a counterpart in TensorFlow to each value."""
    op = _UNARY[context.node.op_type]
    return pointwise(context, lambda x: context.builder.emit(context.name, op, (x,)))


@operator("IsNaN", "IsInf", attributes=("detect_negative", "detect_positive"), since=9)
def is_special(context: NodeContext) -> Value:
    """Test for NaN or for infinite values; IsInf may ask for one sign alone."""
    if context.node.op_type == "IsNaN":
        return pointwise(context, lambda x: context.tf("IsNan", x, dtype=BOOL))
    negative, positive = context.attribute("detect_negative", 1), context.attribute("detect_positive", 1)
    if not negative and not positive:
        context.fail("neither sign is asked for")

    def build(x: str) -> str:
        found = context.tf("IsInf", x, dtype=BOOL)
        if negative and positive:
            return found
        side = context.tf("Greater" if positive else "Less", x, 0.0, dtype=BOOL)
        return context.tf("LogicalAnd", found, side, dtype=BOOL)

    return pointwise(context, build)


@operator("Identity", "Dropout", attributes=("ratio", "seed"), restrictions=("Dropout: nothing is dropped",))
def identity(context: NodeContext) -> Value | tuple[Value, ...]:
    """Return the input, for operators that do nothing in inference."""
    if context.node.op_type == "Dropout":
        training = context.optional(2)
        if (
            training is not None
            and context.constant(2).any()
            and (context.optional(1) is None or context.constant(1).any())
        ):
            context.fail("training_mode is on")
        if context.wants(1):
            x = context.value(0)
            # Dropout drops nothing in inference, so its mask is true everywhere.
            kept = context.tf(
                "LogicalNot",
                context.tf("Less", context.tf("ZerosLike", context.builder.in_layout(x)), 0, dtype=BOOL),
                dtype=BOOL,
            )
            return x, context.result(kept, x.permutation, index=1)
    return context.raw(0)


def pointwise(context: NodeContext, build: Callable[[str], str]) -> Value:
    """Apply `build` to the tensor of input 0; a flattened input stays flattened."""
    x = context.raw(0)
    tensor = build(context.builder.in_layout(x))
    result = context.result(tensor, x.permutation, shape=x.shape)
    if x.columns is None or x.flattened is None:
        return result
    # The columns may be put into ONNX's order later. A reshape of this result gives the unflattened value
    # without repeating the operation, which works value by value.
    source = replace(
        x.flattened,
        tensor=context.builder.reshape(f"{context.name}/unflatten", tensor, x.flattened.tf_shape()),
        dtype=result.dtype,
    )
    return replace(result, columns=x.columns, flattened=source)


def aligned(context: NodeContext, values: Sequence[Value]) -> tuple[list[str], Permutation]:
    """Return tensors that broadcast against each other, and the layout of the result.

    The layout is that of the input with most axes; constants and inputs of lower rank follow it.
    """
    rank = max(value.rank for value in values)
    leaders = [value for value in values if value.constant is None] or list(values)
    leader = max(leaders, key=lambda value: value.rank)
    missing = rank - leader.rank
    layout = (*range(missing), *(axis + missing for axis in leader.permutation))
    return [_read(context, value, layout, rank) for value in values], layout


def _read(context: NodeContext, value: Value, layout: Permutation, rank: int) -> str:
    if value.constant is not None and value.constant.size == 1 and value.rank <= 1:
        return context.builder.in_layout(value)
    return context.builder.in_layout(value, layout, rank)


def _sign(context: NodeContext, tensor: str) -> str:
    if context.builder.dtype(tensor) == FLOAT:
        return context.tf("Sign", tensor)
    positive = cast(context, context.tf("Greater", tensor, 0, dtype=BOOL), INT32)
    return context.tf("Sub", positive, cast(context, context.tf("Less", tensor, 0, dtype=BOOL), INT32))


def _remainder(context: NodeContext, left: str, right: str) -> str:
    """Compute left - right · floor(left / right)."""
    if context.builder.dtype(left) == FLOAT:
        rest = context.tf("FloorMod", left, right)
        # TF.js's FloorMod is wrong where a finite number is divided by an infinite one.
        apart = context.tf("Less", context.tf("Mul", _sign(context, left), _sign(context, right)), 0.0, dtype=BOOL)
        endless = context.tf(
            "LogicalAnd", context.tf("IsInf", right, dtype=BOOL), context.tf("IsFinite", left, dtype=BOOL), dtype=BOOL
        )
        return context.tf(
            "SelectV2", endless, context.tf("SelectV2", apart, right, left, dtype=FLOAT), rest, dtype=FLOAT
        )
    return context.tf("Sub", left, context.tf("Mul", context.tf("FloorDiv", left, right), right))
