"""Operators that work value by value: the layout of their input passes through."""

from __future__ import annotations

from dataclasses import replace

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.layout import Permutation, Value
from fer_export.export.graphdef.registry import operator

_BINARY = {"Add": "AddV2", "Sub": "Sub", "Mul": "Mul", "Div": "RealDiv", "Pow": "Pow"}
_UNARY = {
    "Abs": "Abs",
    "Ceil": "Ceil",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Log": "Log",
    "Neg": "Neg",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Sqrt": "Sqrt",
    "Tanh": "Tanh",
}


@operator(*_BINARY)
def binary(call: Call) -> Value:
    """Broadcasting from the right, as ONNX and TensorFlow both do, once the axes stand in one order."""
    left, right = call.value(0), call.value(1)
    if left.constant is not None and right.constant is not None:
        call.fail("both inputs are constants")
    rank = len(call.shapes[0])
    layout = _common_layout(left, right, rank)
    tensors = [call.builder.read(value, *_scalar_or(value, layout, rank)) for value in (left, right)]
    return call.emit(_BINARY[call.node.op_type], tensors, layout)


@operator(*_UNARY)
def unary(call: Call) -> Value:
    """Value by value."""
    return pointwise(call, _UNARY[call.node.op_type])


@operator("Identity", "Dropout", attributes=("ratio", "seed"))
def identity(call: Call) -> Value:
    """Nothing, in inference."""
    return call.value(0)


def pointwise(call: Call, op: str, *, suffix: str = "", **attributes: float) -> Value:
    """One node of `op` on input 0; a flattened input stays flattened as it is."""
    x = call.value(0)
    result = call.emit(op, (call.builder.read(x),), x.permutation, suffix=suffix, attributes=attributes)
    if x.columns is None or x.flattened is None:
        return result
    # Undoing the flatten would have to repeat the operation on the unflattened tensor; a reshape
    # of its result does the same, since it works value by value.
    source = replace(
        x.flattened,
        tensor=call.builder.reshape(f"{call.name}/unflatten", result.tensor, x.flattened.tf_shape()),
    )
    return replace(result, columns=x.columns, flattened=source)


def _common_layout(left: Value, right: Value, rank: int) -> Permutation:
    """The order of the input that has most axes; a constant follows the other."""
    candidates = [value for value in (left, right) if value.constant is None and value.columns is None]
    if not candidates:
        return tuple(range(rank))
    leader = max(candidates, key=lambda value: value.rank)
    missing = rank - leader.rank
    return (*range(missing), *(axis + missing for axis in leader.permutation))


def _scalar_or(value: Value, layout: Permutation, rank: int) -> tuple[Permutation | None, int]:
    if value.constant is not None and value.constant.size == 1 and value.rank <= 1:
        return None, value.rank
    return layout, rank
