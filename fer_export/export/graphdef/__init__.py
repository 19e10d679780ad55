"""ONNX → a TensorFlow graph with channels last, without TensorFlow.

`convert` reads an ONNX model and answers a `Graph`. Each operator is one function in `operators/`;
`layout.py` tracks which axis is where, so that a transpose is written only where none can be saved;
`passes/` then rewrite the graph, one rule set a file.
"""

from fer_export.export.graphdef.convert import convert
from fer_export.export.graphdef.graph import Graph, Node

__all__ = ["Graph", "Node", "convert"]
