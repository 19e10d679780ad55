"""Pools over all of height and width."""

from __future__ import annotations

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, channels_last
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Value:
    """A reduction over the spatial axes that keeps them as ones."""
    x = call.value(0)
    layout = channels_last(x.rank)
    axes = call.builder.ints("axes", range(1, x.rank - 1))
    op = "Mean" if call.node.op_type == "GlobalAveragePool" else "Max"
    return call.emit(op, (call.builder.read(x, layout), axes), layout, keep_dims=True, Tidx=INT32)


@operator("GlobalLpPool", attributes=("p",), since=2)
def global_lp_pool(call: Call) -> Value:
    """The p-norm of each channel."""
    x, p = call.value(0), float(call.attribute("p", 2))
    layout = channels_last(x.rank)
    axes = call.builder.ints("axes", range(1, x.rank - 1))
    powers = call.tf("Pow", call.tf("Abs", call.builder.read(x, layout)), p)
    total = call.tf("Sum", powers, axes, keep_dims=True, Tidx=INT32)
    return call.result(call.tf("Pow", total, 1 / p), layout)
