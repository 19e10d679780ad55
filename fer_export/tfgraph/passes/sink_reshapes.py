"""Let reshapes sink towards the end, where they meet and vanish, and where bias and activation can be fused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import Graph, Node

#: Work value by value on their first input; their other inputs have one value.
_UNARY = ("Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "LeakyRelu", "Erf", "Neg", "Abs", "Square", "Sqrt", "Exp")
_BINARY = ("AddV2", "Mul", "Sub")


def sink_reshapes(graph: Graph) -> None:
    """Rewrite in place.

    1. A Reshape that one value-by-value operator alone reads changes places with it.
    2. So it does with an addition or product with a constant of one value, or of one for each column
       of the matrix product before the Reshape; an addition of the latter becomes a BiasAdd.
    3. A Reshape of a Reshape reads what the first one read.

    A Reshape that is an output of the graph stays.
    """
    counts = graph.consumers()
    made: dict[str, Node] = {}
    for read in graph.nodes:
        node = read
        if node.op in _UNARY or node.op in _BINARY:
            node = _sunk(graph, made, counts, node)
        source = made.get(node.inputs[0]) if node.op == "Reshape" else None
        if source is not None and source.op == "Reshape":  # rule 3
            node = replace(node, inputs=(source.inputs[0], node.inputs[1]))
        made[node.name] = node
    graph.nodes = list(made.values())


def _sunk(graph: Graph, made: dict[str, Node], counts: Counter[str], node: Node) -> Node:
    """The Reshape that takes the node's place; the node itself goes before it under a name of its own."""
    source = made.get(node.inputs[0])
    if source is None or source.op != "Reshape" or counts[source.name] != 1 or source.name in graph.outputs:
        return node
    product = made.get(source.inputs[0])
    if product is None or source.inputs[1] not in graph.constants:
        return node
    inner = replace(node, name=_free(made, f"{node.name}/inner"), inputs=(product.name, *node.inputs[1:]))
    if node.op in _BINARY:  # rule 2
        other = graph.constants.get(node.inputs[1])
        if other is None:
            return node
        columns = _columns(graph, product)
        target = graph.constants[source.inputs[1]]
        if other.size == columns and other.shape[-1:] == (columns,) and target[-1:].tolist() == [columns]:
            row = _row(graph, made, node.inputs[1])
            inner = replace(inner, inputs=(product.name, row))
            if node.op == "AddV2" and product.op == "MatMul":
                inner = replace(inner, op="BiasAdd", attributes={**inner.attributes, "data_format": "NHWC"})
        elif other.size != 1 or other.ndim > 1:
            return node
    made[inner.name] = inner
    counts[inner.name] = 1
    return replace(source, name=node.name, inputs=(inner.name, source.inputs[1]))


def _columns(graph: Graph, product: Node) -> int:
    """The last size of a matrix product by a constant, and of what was added to it; 0 of others."""
    if product.op == "BiasAdd":
        return int(graph.constants[product.inputs[1]].size) if product.inputs[1] in graph.constants else 0
    weights = graph.constants.get(product.inputs[1]) if product.op == "MatMul" else None
    return int(weights.shape[-1]) if weights is not None else 0


def _row(graph: Graph, made: dict[str, Node], name: str) -> str:
    """A constant as one row, which TF.js's fused kernels want."""
    array = graph.constants[name]
    if array.ndim == 1:
        return name
    new = _free(made, f"{name}/row")
    graph.constants[new] = np.ascontiguousarray(array.reshape(-1))
    made[new] = Node(new, "Const", (), made[name].attributes)
    return new


def _free(made: dict[str, Node], wanted: str) -> str:
    name, count = wanted, 1
    while name in made:
        name, count = f"{wanted}_{count}", count + 1
    return name
