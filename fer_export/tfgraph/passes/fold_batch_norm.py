"""This pass folds factors and offsets of channels into the convolution or matrix product before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import FLOAT, Array, Graph, Node, constant_node

#: The products that can take a factor, and their number of axes.
_RANKS = {"Conv2D": 4, "Conv3D": 5, "DepthwiseConv2dNative": 4, "MatMul": 2}


def fold_batch_norm(graph: Graph) -> None:
    """Fold, in place, the batch norm that the exporter left and any other scaling of channels.

    A factor or an offset is a constant with one value, or one for each channel along the last axis.

    1. A product that one Mul alone reads takes the factor into its weights.
    2. So does a product behind a BiasAdd, whose bias is multiplied as well. The product then holds no
       ONNX value any more.
    3. A product that one AddV2 or Sub alone reads gets the offset as a BiasAdd.
    4. A BiasAdd that one AddV2 or Sub alone reads takes the offset into its bias.

    Only constant weights are changed. A product with other readers, or that is an output, is left as it is.
    """
    counts = graph.consumers()
    made: dict[str, Node] = {}
    for read in graph.nodes:
        node = read
        if node.op in ("Mul", "AddV2", "Sub"):
            node = _folded(graph, made, counts, node)
        made[node.name] = node
    graph.nodes = _in_order(graph, list(made.values()))


def _folded(graph: Graph, made: dict[str, Node], counts: dict[str, int], node: Node) -> Node:
    source, other = (made.get(node.inputs[0]), node.inputs[1])
    if source is None or source.op == "Const":
        if node.op == "Sub":
            return node
        source, other = made.get(node.inputs[1]), node.inputs[0]
    if source is None or counts[source.name] != 1 or source.name in graph.outputs:
        return node
    product = made.get(source.inputs[0]) if source.op == "BiasAdd" else source
    if product is None or product.op not in _RANKS or product.inputs[1] not in graph.constants:
        return node
    if source.op == "BiasAdd" and (counts[product.name] != 1 or source.inputs[1] not in graph.constants):
        return node
    channels = _channels(product, graph.constants[product.inputs[1]])
    values = _by_channel(graph.constants.get(other), channels, _RANKS[product.op])
    if values is None:
        return node
    if node.op == "Mul":
        weights = _scaled(product, graph.constants[product.inputs[1]], values)
        name = _new(graph, f"{node.name}/weights", weights)
        scaled = replace(product, inputs=(product.inputs[0], name))
        if source is product:  # rule 1
            return replace(scaled, name=node.name)
        bias = graph.constants[source.inputs[1]] * values  # rule 2
        made[product.name] = scaled
        graph.forget(product.name)
        return replace(source, name=node.name, inputs=(product.name, _new(graph, f"{node.name}/bias", bias)))
    values = -values if node.op == "Sub" else values
    if source is product:  # rule 3
        name = _new(graph, f"{node.name}/bias", values)
        return Node(node.name, "BiasAdd", (product.name, name), {"T": FLOAT, "data_format": "NHWC"})
    name = _new(graph, f"{node.name}/bias", graph.constants[source.inputs[1]] + values)  # rule 4
    return replace(source, name=node.name, inputs=(product.name, name))


def _channels(product: Node, weights: Array) -> int:
    if product.op == "DepthwiseConv2dNative":
        return int(weights.shape[-1] * weights.shape[-2])
    return int(weights.shape[0 if product.attributes.get("transpose_b") else -1])


def _by_channel(values: Array | None, channels: int, rank: int) -> Array | None:
    """Return one number for each channel, or None where the constant has another form."""
    if values is None or values.dtype != np.float32 or values.size not in (1, channels) or values.ndim > rank:
        return None
    if values.size == channels and values.size > 1 and values.shape[-1] != channels:
        return None
    return np.broadcast_to(values.reshape(-1), (channels,)).copy()


def _scaled(product: Node, weights: Array, values: Array) -> Array:
    if product.op == "DepthwiseConv2dNative":
        return np.asarray(weights * values.reshape(weights.shape[-2:]), np.float32)
    if product.attributes.get("transpose_b"):
        return np.asarray(weights * values[:, None], np.float32)
    return np.asarray(weights * values, np.float32)


def _new(graph: Graph, wanted: str, array: Array) -> str:
    name, count = wanted, 1
    while name in graph.constants:
        name, count = f"{wanted}_{count}", count + 1
    graph.constants[name] = np.asarray(array, np.float32)
    return name


def _in_order(graph: Graph, nodes: list[Node]) -> list[Node]:
    """Return the nodes with a node for each new constant in front."""
    known = {node.name for node in nodes}
    return [constant_node(name, array) for name, array in graph.constants.items() if name not in known] + nodes
