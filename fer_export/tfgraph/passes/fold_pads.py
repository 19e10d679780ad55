"""This pass folds a padding with zeros into the convolution that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import Array, Graph, Node

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def fold_pads(graph: Graph) -> None:
    """Fold pads, in place.

    1. A two-dimensional convolution that is padded by VALID or EXPLICIT, behind a PadV2 of zeros along
       height and width, takes those pads as explicit ones and reads what the PadV2 read.

    A convolution padded by SAME is left as it is, because its own pads depend on the size of its input.
    """
    by_name = {node.name: node for node in graph.nodes}
    graph.nodes = [_folded(graph, by_name, node) if node.op in _CONVOLUTIONS else node for node in graph.nodes]


def _folded(graph: Graph, by_name: dict[str, Node], node: Node) -> Node:
    source = by_name.get(node.inputs[0])
    if source is None or source.op != "PadV2" or node.attributes.get("padding") not in ("VALID", "EXPLICIT"):
        return node
    pads, number = (graph.constants.get(name) for name in source.inputs[1:3])
    if pads is None or number is None or not _fits(pads, number):
        return node
    own = np.array(node.attributes.get("explicit_paddings", (0,) * 8)).reshape(4, 2)
    total = tuple(int(value) for value in (own + pads).reshape(-1))
    attributes = {**node.attributes, "padding": "EXPLICIT", "explicit_paddings": total}
    return replace(node, inputs=(source.inputs[0], *node.inputs[1:]), attributes=attributes)


def _fits(pads: Array, number: Array) -> bool:
    return pads.shape == (4, 2) and not pads[[0, 3]].any() and not number.any()
