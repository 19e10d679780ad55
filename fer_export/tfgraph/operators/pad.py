"""This module converts padding with a number, by reflection, with the edge, and around."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32
from fer_export.tfgraph.layout import Value
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.slicing import cut
from fer_export.tfgraph.registry import operator


@operator(
    "Pad",
    attributes=("mode", "paddings", "pads", "value"),
    restrictions=("constant pads", "edge and wrap: known sizes of what is padded"),
)
def pad(context: NodeContext) -> Value:
    """Pad; pads below zero cut, and a mode that TensorFlow lacks is written as a gather by indices."""
    x = context.value(0)
    listed = context.attribute("pads", context.attribute("paddings", None))
    listed = context.constant(1).tolist() if listed is None else list(listed)
    axes = [axis % x.rank for axis in context.constant(3, np.arange(x.rank)).tolist()]
    half = len(axes)
    pads = {axis: (listed[i], listed[half + i]) for i, axis in enumerate(axes)}
    mode = context.attribute("mode", "constant")
    if mode == "constant":
        return _by_number(context, x, pads)
    for axis, (before, after) in pads.items():
        if (before, after) == (0, 0):
            continue
        size = x.shape[axis]
        if mode == "reflect" and min(before, after) >= 0 and (size is None or max(before, after) < size):
            x = _mirrored(context, x, axis, (before, after))
            continue
        if size is None:
            context.fail(f"mode {mode} on axis {axis}, whose size is free")
        indices = np.pad(np.arange(size), (max(before, 0), max(after, 0)), mode=mode)
        indices = indices[max(-before, 0) : len(indices) - max(-after, 0)]
        name = context.builder.constant(f"{context.name}/indices", indices.astype(np.int32))
        inputs = (context.builder.in_layout(x), name, context.builder.scalar(x.axis(axis), INT32))
        tensor = context.builder.emit(context.name, "GatherV2", inputs, {"batch_dims": 0})
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        x = Value(shape, x.permutation, tensor, dtype=x.dtype)
    return x


def _by_number(context: NodeContext, x: Value, pads: dict[int, tuple[int, int]]) -> Value:
    for axis, (before, after) in pads.items():
        if before < 0 or after < 0:
            x = cut(context, x, axis, max(-before, 0), min(after, 0) or 2**31 - 1, 1)
    table = [tuple(max(p, 0) for p in pads.get(axis, (0, 0))) for axis in x.permutation]
    if not any(before or after for before, after in table):
        return x
    number = context.attribute("value", 0.0)
    given = context.optional(2)
    if context.opset >= 11:
        number = 0.0 if given is None else context.constant(2).reshape(-1)[0].item()
    if x.dtype == FLOAT:
        # TF.js reads the number as JSON, which has nothing infinite.
        number = float(np.clip(number, np.finfo(np.float32).min, np.finfo(np.float32).max))
    name = context.builder.constant(f"{context.name}/pads", np.array(table, np.int32))
    inputs = (context.builder.in_layout(x), name, context.builder.scalar(number, x.dtype))
    tensor = context.builder.emit(context.name, "PadV2", inputs, {"Tpaddings": INT32})
    return context.result(tensor, x.permutation)


def _mirrored(context: NodeContext, x: Value, axis: int, pads: tuple[int, int]) -> Value:
    table = np.zeros((x.rank, 2), np.int32)
    table[x.axis(axis)] = pads
    name = context.builder.constant(f"{context.name}/pads", table)
    tensor = context.builder.emit(context.name, "MirrorPad", (context.builder.in_layout(x), name),
                               {"Tpaddings": INT32, "mode": "REFLECT"})  # fmt: skip
    size = x.shape[axis]
    shape = (*x.shape[:axis], None if size is None else size + sum(pads), *x.shape[axis + 1 :])
    return Value(shape, x.permutation, tensor, dtype=x.dtype)
