"""Comparisons and logic.

Of TF.js's bitwise operators there is BitwiseAnd alone, and it fails: its table names the inputs x and
y, its executor asks for a and b.
"""

from __future__ import annotations

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.operators.elementwise import aligned, pointwise
from fer_export.tfgraph.registry import operator

_COMPARISONS = {
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterOrEqual": "GreaterEqual",
    "Less": "Less",
    "LessOrEqual": "LessEqual",
    "And": "LogicalAnd",
    "Or": "LogicalOr",
    "Xor": "NotEqual",
}


@operator(*_COMPARISONS, since=7)
def compare(call: Call) -> Value:
    """Of two inputs that broadcast."""
    tensors, layout = aligned(call, [call.value(0), call.value(1)])
    if call.node.op_type in ("Equal", "Xor"):
        # TF.js's wasm kernels compare numbers.
        tensors = [cast(call, tensor, INT32) if call.builder.dtype(tensor) == BOOL else tensor for tensor in tensors]
    return call.emit(_COMPARISONS[call.node.op_type], tensors, layout, dtype=BOOL)


@operator("Not")
def negate(call: Call) -> Value:
    """Of booleans."""
    return pointwise(call, lambda x: call.tf("LogicalNot", x, dtype=BOOL))


@operator("Where", since=9)
def where(call: Call) -> Value:
    """All three inputs broadcast."""
    tensors, layout = aligned(call, [call.value(0), call.value(1), call.value(2)])
    return call.emit("SelectV2", tensors, layout, dtype=call.builder.dtype(tensors[1]))


@operator("BitwiseNot", since=18, restrictions=("int32",))
def bitwise_not(call: Call) -> Value:
    """-1 - a, in two's complement."""
    return pointwise(call, lambda x: call.tf("Sub", call.builder.scalar(-1, INT32), x))
