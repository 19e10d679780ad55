"""This module converts comparisons and logic.

TF.js has only one bitwise operator, BitwiseAnd, and it fails: its table names the inputs x and
y, but its executor asks for a and b.
"""

from __future__ import annotations

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value
from fer_export.tfgraph.node_context import NodeContext
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
def compare(context: NodeContext) -> Value:
    """Compare two inputs that broadcast."""
    tensors, layout = aligned(context, [context.value(0), context.value(1)])
    if context.node.op_type in ("Equal", "Xor"):
        # TF.js's wasm kernels compare numbers only.
        tensors = [
            cast(context, tensor, INT32) if context.builder.dtype(tensor) == BOOL else tensor for tensor in tensors
        ]
    return context.emit(_COMPARISONS[context.node.op_type], tensors, layout, dtype=BOOL)


@operator("Not")
def negate(context: NodeContext) -> Value:
    """Negate booleans."""
    return pointwise(context, lambda x: context.tf("LogicalNot", x, dtype=BOOL))


@operator("Where", since=9)
def where(context: NodeContext) -> Value:
    """Choose between two inputs by a condition; all three broadcast."""
    tensors, layout = aligned(context, [context.value(0), context.value(1), context.value(2)])
    return context.emit("SelectV2", tensors, layout, dtype=context.builder.dtype(tensors[1]))


@operator("BitwiseNot", since=18, restrictions=("int32",))
def bitwise_not(context: NodeContext) -> Value:
    """Compute -1 - a, which is the bitwise complement."""
    return pointwise(context, lambda x: context.tf("Sub", context.builder.scalar(-1, INT32), x))
