"""Operators that work value by value: the layout of their input passes through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32
from fer_export.tfgraph.layout import Permutation, Value
from fer_export.tfgraph.node_context import Call
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
def binary(call: Call) -> Value:
    """Broadcasting from the right, as ONNX and TensorFlow both do, once the axes stand in one order."""
    tensors, layout = aligned(call, [call.value(0), call.value(1)])
    return call.emit(_BINARY[call.node.op_type], tensors, layout)


@operator("Div", since=7)
def divide(call: Call) -> Value:
    """Integers are divided towards zero; TensorFlow's FloorDiv goes down, so the signs stay out of it."""
    (left, right), layout = aligned(call, [call.value(0), call.value(1)])
    if call.dtypes[0] == FLOAT:
        return call.emit("RealDiv", (left, right), layout)
    sizes = call.tf("FloorDiv", call.tf("Abs", left), call.tf("Abs", right))
    signs = call.tf("Mul", _sign(call, left), _sign(call, right))
    return call.emit("Mul", (sizes, signs), layout)


@operator("Pow", since=7)
def power(call: Call) -> Value:
    """In float32; the result has the type of the base. Squares and roots have operators of their own."""
    base, exponent = call.value(0), call.value(1)
    known = exponent.constant
    if known is not None and known.size == 1 and base.dtype == FLOAT and exponent.rank <= base.rank:
        single = {2.0: "Square", 0.5: "Sqrt", -0.5: "Rsqrt", -1.0: "Reciprocal"}.get(float(known.reshape(())))
        if single is not None:
            return call.emit(single, (call.builder.read(base),), base.permutation)
    (left, right), layout = aligned(call, [base, exponent])
    tensor = call.tf("Pow", cast(call, left, FLOAT), cast(call, right, FLOAT))
    return call.result(cast(call, tensor, base.dtype), layout)


@operator("Mod", attributes=("fmod",), since=10)
def modulo(call: Call) -> Value:
    """fmod 0: the sign of the divisor; fmod 1: the sign of the dividend, as C's fmod."""
    (left, right), layout = aligned(call, [call.value(0), call.value(1)])
    if call.attribute("fmod", 0):
        size = _remainder(call, call.tf("Abs", left), call.tf("Abs", right))
        return call.emit("Mul", (size, _sign(call, left)), layout)
    return call.result(_remainder(call, left, right), layout)


@operator(*_MANY, since=8)
def many(call: Call) -> Value:
    """Any number of inputs, one after the other."""
    values = [call.value(index) for index in range(len(call.inputs))]
    tensors, layout = aligned(call, values)
    if len(tensors) == 1:
        return values[0]
    op = _MANY[call.node.op_type]
    tensor = reduce(lambda left, right: call.tf(op, left, right), tensors)
    if call.node.op_type == "Mean":
        tensor = call.tf("Mul", tensor, 1 / len(tensors))
    return call.result(tensor, layout)


@operator(*_UNARY)
def unary(call: Call) -> Value:
    """Value by value."""
    op = _UNARY[call.node.op_type]
    return pointwise(call, lambda x: call.builder.emit(call.name, op, (x,)))


@operator("IsNaN", "IsInf", attributes=("detect_negative", "detect_positive"), since=9)
def is_special(call: Call) -> Value:
    """IsInf may be asked for one sign alone."""
    if call.node.op_type == "IsNaN":
        return pointwise(call, lambda x: call.tf("IsNan", x, dtype=BOOL))
    negative, positive = call.attribute("detect_negative", 1), call.attribute("detect_positive", 1)
    if not negative and not positive:
        call.fail("neither sign is asked for")

    def build(x: str) -> str:
        found = call.tf("IsInf", x, dtype=BOOL)
        if negative and positive:
            return found
        side = call.tf("Greater" if positive else "Less", x, 0.0, dtype=BOOL)
        return call.tf("LogicalAnd", found, side, dtype=BOOL)

    return pointwise(call, build)


@operator("Identity", "Dropout", attributes=("ratio", "seed"), restrictions=("Dropout: nothing is dropped",))
def identity(call: Call) -> Value | tuple[Value, ...]:
    """Nothing, in inference."""
    if call.node.op_type == "Dropout":
        training = call.optional(2)
        if training is not None and call.constant(2).any() and (call.optional(1) is None or call.constant(1).any()):
            call.fail("training_mode is on")
        if call.wants(1):
            x = call.value(0)
            # Nothing is dropped: true everywhere.
            kept = call.tf(
                "LogicalNot", call.tf("Less", call.tf("ZerosLike", call.builder.read(x)), 0, dtype=BOOL), dtype=BOOL
            )
            return x, call.result(kept, x.permutation, index=1)
    return call.raw(0)


def pointwise(call: Call, build: Callable[[str], str]) -> Value:
    """What `build` makes of the tensor of input 0; a flattened input stays flattened as it is."""
    x = call.raw(0)
    tensor = build(call.builder.read(x))
    result = call.result(tensor, x.permutation, shape=x.shape)
    if x.columns is None or x.flattened is None:
        return result
    # Undoing the flatten would have to repeat the operation on the unflattened tensor; a reshape
    # of its result does the same, since it works value by value.
    source = replace(
        x.flattened,
        tensor=call.builder.reshape(f"{call.name}/unflatten", tensor, x.flattened.tf_shape()),
        dtype=result.dtype,
    )
    return replace(result, columns=x.columns, flattened=source)


def aligned(call: Call, values: Sequence[Value]) -> tuple[list[str], Permutation]:
    """Tensors that broadcast against each other, and the layout of what comes of them.

    The order is that of the input with most axes; constants and lower ranks follow it.
    """
    rank = max(value.rank for value in values)
    leaders = [value for value in values if value.constant is None] or list(values)
    leader = max(leaders, key=lambda value: value.rank)
    missing = rank - leader.rank
    layout = (*range(missing), *(axis + missing for axis in leader.permutation))
    return [_read(call, value, layout, rank) for value in values], layout


def _read(call: Call, value: Value, layout: Permutation, rank: int) -> str:
    if value.constant is not None and value.constant.size == 1 and value.rank <= 1:
        return call.builder.read(value)
    return call.builder.read(value, layout, rank)


def _sign(call: Call, tensor: str) -> str:
    if call.builder.dtype(tensor) == FLOAT:
        return call.tf("Sign", tensor)
    positive = cast(call, call.tf("Greater", tensor, 0, dtype=BOOL), INT32)
    return call.tf("Sub", positive, cast(call, call.tf("Less", tensor, 0, dtype=BOOL), INT32))


def _remainder(call: Call, left: str, right: str) -> str:
    """left - right · floor(left / right)."""
    if call.builder.dtype(left) == FLOAT:
        rest = call.tf("FloorMod", left, right)
        # TF.js says that nothing finite can be divided by the infinite.
        apart = call.tf("Less", call.tf("Mul", _sign(call, left), _sign(call, right)), 0.0, dtype=BOOL)
        endless = call.tf(
            "LogicalAnd", call.tf("IsInf", right, dtype=BOOL), call.tf("IsFinite", left, dtype=BOOL), dtype=BOOL
        )
        return call.tf("SelectV2", endless, call.tf("SelectV2", apart, right, left, dtype=FLOAT), rest, dtype=FLOAT)
    return call.tf("Sub", left, call.tf("Mul", call.tf("FloorDiv", left, right), right))
