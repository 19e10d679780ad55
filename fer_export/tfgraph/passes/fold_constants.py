"""This pass computes what depends on constants alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fer_export.tfgraph.graph import Array, Graph, constant_node

#: The operators that are computed, in float32 as in TF.js.
_COMPUTED: dict[str, Callable[..., Array]] = {
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Neg": np.negative,
    "Square": np.square,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Reciprocal": np.reciprocal,
    "Reshape": np.reshape,
    "Transpose": np.transpose,
}


def fold_constants(graph: Graph) -> None:
    """Replace, in place, nodes that depend on constants alone.

    1. A node of the operators above whose inputs are all constants becomes a constant.
    2. A result that is larger than all its inputs together is not stored: a product of two vectors that
       fills a matrix stays a node.
    3. An output of the graph stays a node.
    """
    for index, node in enumerate(graph.nodes):
        if node.op not in _COMPUTED or node.name in graph.outputs:  # rule 3
            continue
        if not all(name in graph.constants for name in node.inputs):
            continue
        parts = [graph.constants[name] for name in node.inputs]
        with np.errstate(all="ignore"):
            array = np.asarray(_COMPUTED[node.op](*parts))
        if array.nbytes > max(64, sum(part.nbytes for part in parts)):  # rule 2
            continue
        array = np.array(array, parts[0].dtype, order="C")
        graph.constants[node.name] = array
        graph.nodes[index] = constant_node(node.name, array)
