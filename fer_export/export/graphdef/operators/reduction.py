"""Reductions over axes."""

from __future__ import annotations

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import INT32
from fer_export.export.graphdef.layout import Value
from fer_export.export.graphdef.registry import operator

_REDUCTIONS = {"ReduceMean": "Mean", "ReduceMax": "Max", "ReduceMin": "Min", "ReduceSum": "Sum", "ReduceProd": "Prod"}


@operator(*_REDUCTIONS, attributes=("axes", "keepdims", "noop_with_empty_axes"))
def reduce(call: Call) -> Value:
    """Axes come as an attribute or, in later opsets, as a constant input; none means all."""
    x = call.value(0)
    listed = call.attribute("axes", None)
    if listed is None and call.optional(1) is not None:
        listed = call.constant(1).tolist()
    if not listed and call.attribute("noop_with_empty_axes", 0):
        return x
    axes = {axis % x.rank for axis in (listed or range(x.rank))}
    tensor = call.builder.read(x, x.permutation)
    tf_axes = sorted(x.axis(axis) for axis in axes)
    keep = bool(call.attribute("keepdims", 1))
    if keep:
        layout = x.permutation
    else:
        left = sorted(set(range(x.rank)) - axes)
        layout = tuple(left.index(axis) for axis in x.permutation if axis in left)
    op = _REDUCTIONS[call.node.op_type]
    return call.emit(op, (tensor, call.builder.ints("axes", tf_axes)), layout, keep_dims=keep, Tidx=INT32)
