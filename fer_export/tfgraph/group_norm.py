"""This module restores GroupNormalization from the three operators that torch's exporter writes for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper

from fer_export.tfgraph.graph import Array, Shape


def found_again(
    nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], arrays: dict[str, Array], shapes: Mapping[str, Shape]
) -> list[onnx.NodeProto]:
    """Return the nodes with one GroupNormalization in place of each group of nodes that computes it.

    1. A group is: Reshape to [N, groups, -1], InstanceNormalization with constant scale and bias, Reshape back.
    2. A Mul after it, and then an Add, by one constant for each channel, are merged into its scale and bias.
    3. A group is left as it is where another node or an output of the graph reads a value inside it.

    Without this, channels last would need four transposes, and a Reshape could not express a free height and width.
    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494.

    Args:
        arrays: the constants by name; the new scales and biases are added to it.
    """
    made = {name: node for node in nodes for name in node.output}
    read = Counter(name for node in nodes for name in node.input)
    read.update(outputs)
    reader = {name: node for node in nodes for name in node.input}
    replaced: dict[int, onnx.NodeProto | None] = {}
    for node in nodes:
        whole = _core(node, made, read, reader, arrays, shapes)
        if whole is None:
            continue
        (first, _, last), scale, bias = whole
        gone, channels = list(whole[0]), len(scale)
        for op in ("Mul", "Add"):
            after = reader.get(last.output[0])
            rank = len(shapes[first.input[0]])
            factor = _by_channel(after, op, last.output[0], channels, rank, arrays)
            if after is None or factor is None or read[last.output[0]] != 1:
                continue
            scale, bias = (scale * factor, bias * factor) if op == "Mul" else (scale, bias + factor)
            last = after
            gone.append(after)
        names = [f"{last.output[0]}/scale", f"{last.output[0]}/bias"]
        arrays.update(zip(names, (scale.astype(np.float32), bias.astype(np.float32)), strict=True))
        epsilon = next((each.f for each in node.attribute if each.name == "epsilon"), 1e-5)
        fused = helper.make_node("GroupNormalization", [first.input[0], *names], list(last.output), node.name,
                                 num_groups=len(arrays[node.input[1]]), epsilon=epsilon)  # fmt: skip
        replaced.update({id(each): None for each in gone})
        replaced[id(last)] = fused
    kept = [replaced.get(id(node), node) for node in nodes]
    return [node for node in kept if node is not None]


def _core(
    node: onnx.NodeProto,
    made: Mapping[str, onnx.NodeProto],
    read: Counter[str],
    reader: Mapping[str, onnx.NodeProto],
    arrays: Mapping[str, Array],
    shapes: Mapping[str, Shape],
) -> tuple[list[onnx.NodeProto], Array, Array] | None:
    """Return rule 1's nodes, and scale and bias [channels]; None for an InstanceNormalization outside such a group."""
    if node.op_type != "InstanceNormalization" or any(name not in arrays for name in node.input[1:]):
        return None
    first, last = made.get(node.input[0]), reader.get(node.output[0])
    if first is None or last is None or first.op_type != "Reshape" or last.op_type != "Reshape":
        return None
    if read[node.input[0]] != 1 or read[node.output[0]] != 1:
        return None
    before, target = shapes.get(first.input[0]), arrays.get(first.input[1])
    groups = len(arrays[node.input[1]])
    if before is None or target is None or len(before) < 3 or before[1] is None or before[1] % groups:
        return None
    if [*target[1:]] != [groups, -1] or (target[0] != 0 and target[0] != before[0]):
        return None
    if not _back_to(first.input[0], last, made, before, shapes):
        return None
    scale, bias = (np.repeat(arrays[name].astype(np.float64), before[1] // groups) for name in node.input[1:])
    return [first, node, last], scale, bias


def _back_to(
    name: str, last: onnx.NodeProto, made: Mapping[str, onnx.NodeProto], before: Shape, shapes: Mapping[str, Shape]
) -> bool:
    """Return whether a Reshape restores a value's shape: its target is that value's Shape, or the same sizes."""
    asked = made.get(last.input[1])
    part = {each.name: each.i for each in asked.attribute} if asked is not None else {}
    if asked is not None and asked.op_type == "Shape" and "end" not in part and not part.get("start"):
        return bool(asked.input[0] == name)
    return before.count(None) <= 1 and shapes.get(last.output[0]) == before


def _by_channel(
    node: onnx.NodeProto | None, op: str, source: str, channels: int, rank: int, arrays: Mapping[str, Array]
) -> Array | None:
    """Return rule 2's constants [channels], if `node` is an `op` of `source` [N, channels, …] and such constants."""
    if node is None or node.op_type != op:
        return None
    other = next((name for name in node.input if name != source), "")
    known = arrays.get(other)
    if known is None or (*[1] * (rank - known.ndim), *known.shape) != (1, channels, *[1] * (rank - 2)):
        return None
    return known.reshape(-1).astype(np.float64)
