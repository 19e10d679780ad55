"""This module converts pools over the whole height and width."""

from __future__ import annotations

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, channels_last
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(context: NodeContext) -> Value:
    """Reduce over the spatial axes and keep them with size 1."""
    x = context.value(0)
    layout = channels_last(x.rank)
    axes = context.builder.ints("axes", range(1, x.rank - 1))
    op = "Mean" if context.node.op_type == "GlobalAveragePool" else "Max"
    return context.emit(op, (context.builder.in_layout(x, layout), axes), layout, keep_dims=True, Tidx=INT32)


@operator("GlobalLpPool", attributes=("p",), since=2)
def global_lp_pool(context: NodeContext) -> Value:
    """Compute the p-norm of each channel."""
    x, p = context.value(0), float(context.attribute("p", 2))
    layout = channels_last(x.rank)
    axes = context.builder.ints("axes", range(1, x.rank - 1))
    powers = context.tf("Pow", context.tf("Abs", context.builder.in_layout(x, layout)), p)
    total = context.tf("Sum", powers, axes, keep_dims=True, Tidx=INT32)
    return context.result(context.tf("Pow", total, 1 / p), layout)
