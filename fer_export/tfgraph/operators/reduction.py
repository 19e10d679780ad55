"""Reductions over axes, and sums that run along one."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32
from fer_export.tfgraph.layout import Value, constant
from fer_export.tfgraph.node_context import Call
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
def reduce(call: Call) -> Value:
    """Axes come as an attribute or, in later opsets, as a constant input; none means all."""
    x, name = call.value(0), call.node.op_type
    listed = call.attribute("axes", None)
    if listed is None and call.optional(1) is not None:
        listed = call.constant(1).tolist()
    if not listed and call.attribute("noop_with_empty_axes", 0):
        axes: set[int] = set()
    else:
        axes = {axis % x.rank for axis in (listed or range(x.rank))}
    keep = bool(call.attribute("keepdims", 1))
    left = sorted(set(range(x.rank)) - axes)
    layout = x.permutation if keep else tuple(left.index(axis) for axis in x.permutation if axis in left)
    if any(x.shape[axis] == 0 for axis in axes) and None not in call.shapes[0]:
        return _of_nothing(call)
    tensor = _reduced(call, call.builder.read(x), sorted(x.axis(axis) for axis in axes), keep)
    if name in _AFTER:
        tensor = call.tf(_AFTER[name], tensor)
    return call.result(tensor, layout)


@operator("CumSum", "CumProd", attributes=("axis", "exclusive", "reverse"), since=11, restrictions=("constant axis",))
def cumulate(call: Call) -> Value:
    """From the front or from the end, with or without the value itself."""
    x = call.value(0)
    axis = int(call.constant(1).reshape(-1)[0]) % x.rank
    flags = {name: bool(call.attribute(name, 0)) for name in ("exclusive", "reverse")}
    op = "Cumsum" if call.node.op_type == "CumSum" else "Cumprod"
    place = call.builder.scalar(x.axis(axis), INT32)
    return call.emit(op, (call.builder.read(x), place), x.permutation, attributes=flags, Tidx=INT32)


@operator("LpNormalization", attributes=("axis", "p"), since=1)
def lp_normalization(call: Call) -> Value:
    """Divided by the norm along one axis; where that is 0, 0."""
    x = call.value(0)
    tensor = call.builder.read(x)
    axes = call.builder.ints("axes", [x.axis(call.axis(x, -1))])
    if call.attribute("p", 2) == 1:
        norm = call.tf("Sum", call.tf("Abs", tensor), axes, keep_dims=True, Tidx=INT32)
    else:
        norm = call.tf("Sqrt", call.tf("Sum", call.tf("Square", tensor), axes, keep_dims=True, Tidx=INT32))
    safe = call.tf("AddV2", norm, cast(call, call.tf("Equal", norm, 0.0, dtype=BOOL), FLOAT))
    return call.emit("RealDiv", (tensor, safe), x.permutation)


def _reduced(call: Call, tensor: str, axes: list[int], keep: bool) -> str:
    name = call.node.op_type
    over = call.builder.ints("axes", axes)
    if name == "ReduceLogSumExp":
        return _log_sum_exp(call, tensor, axes, keep)
    if name in _BEFORE:
        tensor = call.tf(_BEFORE[name], tensor)
    if not axes:
        return tensor
    kind = call.builder.dtype(tensor)
    if kind == BOOL:
        tensor = call.tf("Any" if name == "ReduceMax" else "All", tensor, over, keep_dims=keep, Tidx=INT32)
        return tensor
    if kind == INT32 and name == "ReduceMean":
        total = call.tf("Mean", cast(call, tensor, FLOAT), over, keep_dims=keep, Tidx=INT32)
        return cast(call, total, INT32)
    return call.builder.emit(call.name, _REDUCTIONS[name], (tensor, over), {"keep_dims": keep, "Tidx": INT32})


def _log_sum_exp(call: Call, tensor: str, axes: list[int], keep: bool) -> str:
    """With the largest taken out first, so that nothing overflows."""
    if not axes:
        return tensor
    over = call.builder.ints("axes", axes)
    top = call.tf("Max", tensor, over, keep_dims=True, Tidx=INT32)
    low, high = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
    top = call.tf("ClipByValue", top, low, high)
    total = call.tf(
        "Log", call.tf("Sum", call.tf("Exp", call.tf("Sub", tensor, top)), over, keep_dims=True, Tidx=INT32)
    )
    result = call.tf("AddV2", total, top)
    return result if keep else call.tf("Squeeze", result, squeeze_dims=tuple(axes))


def _of_nothing(call: Call) -> Value:
    if call.dtypes[0] == BOOL:
        return constant(np.full([size or 0 for size in call.shapes[0]], call.node.op_type == "ReduceMin"))
    kind = np.int32 if call.dtypes[0] == INT32 else np.float32
    number = _IDENTITY.get(call.node.op_type, np.nan if call.node.op_type == "ReduceMean" else 0.0)
    if kind == np.int32 and not np.isfinite(number):
        number = np.iinfo(np.int32).min if number < 0 else np.iinfo(np.int32).max
    return constant(np.full([size or 0 for size in call.shapes[0]], number, kind))
