"""Compute what depends on constants alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fer_export.tfgraph.graph import Array, Graph, constant_node

#: TF.js computes in float32, and so does this.
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
    """Rewrite in place.

    1. A node of those operators whose inputs are all constants becomes a constant.
    2. Nothing becomes larger than all it was made of together: a product of two vectors that fills a
       matrix is left to the run.
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
