"""This module converts reductions over axes, and sums that run along one."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32
from fer_export.tfgraph.layout import Value, constant
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.registry import operator

_REDUCTIONS = {
    "ReduceMean": "Mean",
    "ReduceMax": "Max",
    "ReduceMin": "Min",
    "ReduceSum": "Sum",
    "ReduceProd": "Prod",
    "ReduceL1": "Sum",
    "ReduceL2": "Sum",
    "ReduceSumSquare": "Sum",
    "ReduceLogSum": "Sum",
    "ReduceLogSumExp": "Sum",
}
_BEFORE = {"ReduceL1": "Abs", "ReduceL2": "Square", "ReduceSumSquare": "Square"}
_AFTER = {"ReduceL2": "Sqrt", "ReduceLogSum": "Log"}
_IDENTITY = {"ReduceMax": -np.inf, "ReduceMin": np.inf, "ReduceProd": 1.0, "ReduceLogSum": -np.inf,
             "ReduceLogSumExp": -np.inf}  # fmt: skip


@operator(*_REDUCTIONS, attributes=("axes", "keepdims", "noop_with_empty_axes"), restrictions=("constant axes",))
def reduce(context: NodeContext) -> Value:
    """Reduce over axes, which are an attribute or, in later opsets, a constant input; none means all."""
    x, name = context.value(0), context.node.op_type
    listed = context.attribute("axes", None)
    if listed is None and context.optional(1) is not None:
        listed = context.constant(1).tolist()
    if not listed and context.attribute("noop_with_empty_axes", 0):
        axes: set[int] = set()
    else:
        axes = {axis % x.rank for axis in (listed or range(x.rank))}
    keep = bool(context.attribute("keepdims", 1))
    left = sorted(set(range(x.rank)) - axes)
    layout = x.permutation if keep else tuple(left.index(axis) for axis in x.permutation if axis in left)
    if any(x.shape[axis] == 0 for axis in axes) and None not in context.shapes[0]:
        return _of_nothing(context)
    tensor = _reduced(context, context.builder.in_layout(x), sorted(x.axis(axis) for axis in axes), keep)
    if name in _AFTER:
        tensor = context.tf(_AFTER[name], tensor)
    return context.result(tensor, layout)


@operator("CumSum", "CumProd", attributes=("axis", "exclusive", "reverse"), since=11, restrictions=("constant axis",))
def cumulate(context: NodeContext) -> Value:
    """Add or multiply along an axis, from the front or from the end, with or without the value itself."""
    x = context.value(0)
    axis = int(context.constant(1).reshape(-1)[0]) % x.rank
    flags = {name: bool(context.attribute(name, 0)) for name in ("exclusive", "reverse")}
    op = "Cumsum" if context.node.op_type == "CumSum" else "Cumprod"
    place = context.builder.scalar(x.axis(axis), INT32)
    return context.emit(op, (context.builder.in_layout(x), place), x.permutation, attributes=flags, Tidx=INT32)


@operator("LpNormalization", attributes=("axis", "p"), since=1)
def lp_normalization(context: NodeContext) -> Value:
    """Divide by the norm along one axis; a norm of 0 gives 0."""
    x = context.value(0)
    tensor = context.builder.in_layout(x)
    axes = context.builder.ints("axes", [x.axis(context.axis(x, -1))])
    if context.attribute("p", 2) == 1:
        norm = context.tf("Sum", context.tf("Abs", tensor), axes, keep_dims=True, Tidx=INT32)
    else:
        norm = context.tf("Sqrt", context.tf("Sum", context.tf("Square", tensor), axes, keep_dims=True, Tidx=INT32))
    safe = context.tf("AddV2", norm, cast(context, context.tf("Equal", norm, 0.0, dtype=BOOL), FLOAT))
    return context.emit("RealDiv", (tensor, safe), x.permutation)


def _reduced(context: NodeContext, tensor: str, axes: list[int], keep: bool) -> str:
    name = context.node.op_type
    over = context.builder.ints("axes", axes)
    if name == "ReduceLogSumExp":
        return _log_sum_exp(context, tensor, axes, keep)
    if name in _BEFORE:
        tensor = context.tf(_BEFORE[name], tensor)
    if not axes:
        return tensor
    kind = context.builder.dtype(tensor)
    if kind == BOOL:
        tensor = context.tf("Any" if name == "ReduceMax" else "All", tensor, over, keep_dims=keep, Tidx=INT32)
        return tensor
    if kind == INT32 and name == "ReduceMean":
        total = context.tf("Mean", cast(context, tensor, FLOAT), over, keep_dims=keep, Tidx=INT32)
        return cast(context, total, INT32)
    return context.builder.emit(context.name, _REDUCTIONS[name], (tensor, over), {"keep_dims": keep, "Tidx": INT32})


def _log_sum_exp(context: NodeContext, tensor: str, axes: list[int], keep: bool) -> str:
    """Subtract the largest value first, so that nothing overflows."""
    if not axes:
        return tensor
    over = context.builder.ints("axes", axes)
    top = context.tf("Max", tensor, over, keep_dims=True, Tidx=INT32)
    low, high = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
    top = context.tf("ClipByValue", top, low, high)
    total = context.tf(
        "Log", context.tf("Sum", context.tf("Exp", context.tf("Sub", tensor, top)), over, keep_dims=True, Tidx=INT32)
    )
    result = context.tf("AddV2", total, top)
    return result if keep else context.tf("Squeeze", result, squeeze_dims=tuple(axes))


def _of_nothing(context: NodeContext) -> Value:
    if context.dtypes[0] == BOOL:
        return constant(np.full([size or 0 for size in context.shapes[0]], context.node.op_type == "ReduceMin"))
    kind = np.int32 if context.dtypes[0] == INT32 else np.float32
    number = _IDENTITY.get(context.node.op_type, np.nan if context.node.op_type == "ReduceMean" else 0.0)
    if kind == np.int32 and not np.isfinite(number):
        number = np.iinfo(np.int32).min if number < 0 else np.iinfo(np.int32).max
    return constant(np.full([size or 0 for size in context.shapes[0]], number, kind))
