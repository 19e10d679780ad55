"""This pass moves reshapes towards the end, where two can merge and where bias and activation can be fused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from fer_export.tfgraph.graph import Graph, Node

#: Operators that work value by value on their first input; any other input has one value.
_UNARY = ("Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "LeakyRelu", "Erf", "Neg", "Abs", "Square", "Sqrt", "Exp")
_BINARY = ("AddV2", "Mul", "Sub")


def sink_reshapes(graph: Graph) -> None:
    """Move reshapes, in place.

    1. A Reshape that only one value-by-value operator reads changes places with it.
    2. It also changes places with an addition or product with a constant of one value, or of one for each
       column of the matrix product before the Reshape; such an addition becomes a BiasAdd.
    3. A Reshape of a Reshape reads the input of the first.

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
    """Return the Reshape that takes the node's place; the node itself moves in front of it under a new name."""
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
    """Return the last size of a product with constant weights, or of a BiasAdd's bias; 0 for other nodes."""
    if product.op == "BiasAdd":
        return int(graph.constants[product.inputs[1]].size) if product.inputs[1] in graph.constants else 0
    weights = graph.constants.get(product.inputs[1]) if product.op == "MatMul" else None
    return int(weights.shape[-1]) if weights is not None else 0


def _row(graph: Graph, made: dict[str, Node], name: str) -> str:
    """Return the name of a constant as one row, which TF.js's fused kernels need."""
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
