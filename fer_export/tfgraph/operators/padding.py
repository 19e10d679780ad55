"""Padding by a number, by reflection, by the edge, and around."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import FLOAT, INT32
from fer_export.tfgraph.layout import Value
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.slicing import cut
from fer_export.tfgraph.registry import operator


@operator(
    "Pad",
    attributes=("mode", "paddings", "pads", "value"),
    restrictions=("constant pads", "edge and wrap: known sizes of what is padded"),
)
def pad(call: Call) -> Value:
    """Pads below zero cut. Where TensorFlow has no mode for it, indices say what comes where."""
    x = call.value(0)
    listed = call.attribute("pads", call.attribute("paddings", None))
    listed = call.constant(1).tolist() if listed is None else list(listed)
    axes = [axis % x.rank for axis in call.constant(3, np.arange(x.rank)).tolist()]
    half = len(axes)
    pads = {axis: (listed[i], listed[half + i]) for i, axis in enumerate(axes)}
    mode = call.attribute("mode", "constant")
    if mode == "constant":
        return _by_number(call, x, pads)
    for axis, (before, after) in pads.items():
        if (before, after) == (0, 0):
            continue
        size = x.shape[axis]
        if mode == "reflect" and min(before, after) >= 0 and (size is None or max(before, after) < size):
            x = _mirrored(call, x, axis, (before, after))
            continue
        if size is None:
            call.fail(f"mode {mode} on axis {axis}, whose size is free")
        indices = np.pad(np.arange(size), (max(before, 0), max(after, 0)), mode=mode)
        indices = indices[max(-before, 0) : len(indices) - max(-after, 0)]
        inputs = (call.builder.read(x), call.builder.constant(f"{call.name}/indices", indices.astype(np.int32)),
                  call.builder.scalar(x.axis(axis), INT32))  # fmt: skip
        tensor = call.builder.emit(call.name, "GatherV2", inputs, {"batch_dims": 0})
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        x = Value(shape, x.permutation, tensor, dtype=x.dtype)
    return x


def _by_number(call: Call, x: Value, pads: dict[int, tuple[int, int]]) -> Value:
    for axis, (before, after) in pads.items():
        if before < 0 or after < 0:
            x = cut(call, x, axis, max(-before, 0), min(after, 0) or 2**31 - 1, 1)
    table = [tuple(max(p, 0) for p in pads.get(axis, (0, 0))) for axis in x.permutation]
    if not any(before or after for before, after in table):
        return x
    number = call.attribute("value", 0.0)
    given = call.optional(2)
    if call.opset >= 11:
        number = 0.0 if given is None else call.constant(2).reshape(-1)[0].item()
    if x.dtype == FLOAT:
        # TF.js reads the number as JSON would: nothing infinite.
        number = float(np.clip(number, np.finfo(np.float32).min, np.finfo(np.float32).max))
    name = call.builder.constant(f"{call.name}/pads", np.array(table, np.int32))
    tensor = call.builder.emit(call.name, "PadV2", (call.builder.read(x), name, call.builder.scalar(number, x.dtype)),
                               {"Tpaddings": INT32})  # fmt: skip
    return call.result(tensor, x.permutation)


def _mirrored(call: Call, x: Value, axis: int, pads: tuple[int, int]) -> Value:
    table = np.zeros((x.rank, 2), np.int32)
    table[x.axis(axis)] = pads
    name = call.builder.constant(f"{call.name}/pads", table)
    tensor = call.builder.emit(call.name, "MirrorPad", (call.builder.read(x), name),
                               {"Tpaddings": INT32, "mode": "REFLECT"})  # fmt: skip
    size = x.shape[axis]
    shape = (*x.shape[:axis], None if size is None else size + sum(pads), *x.shape[axis + 1 :])
    return Value(shape, x.permutation, tensor, dtype=x.dtype)
