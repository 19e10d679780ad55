"""This package converts an ONNX graph to a TensorFlow graph with channels last, and needs no TensorFlow.

`convert` reads an ONNX model and returns a `Graph`:

1. `prepare.py` computes on the ONNX side what is known before the run: shapes (onnx's shape
   inference), everything that depends on constants and shapes alone (`folding.py`, with onnx's reference
   evaluator), and operators that the standard defines by others (`functions.py`). The batch may be free.
2. `convert.py` visits each node once. Each operator is one function in `operators/`, registered in
   `registry.TABLE` with its attributes, its oldest opset and its restrictions; `OPERATORS.md` is
   made from that table and from ONNX's own operator tests.
3. `passes/` rewrite the graph. Each pass is one file and can be switched off.

Layout: a `Value` is an ONNX value with the TensorFlow tensor that holds it and the permutation
between the two (`layout.py`):

- The graph's inputs and outputs of rank 3 and more are [N, …, C].
- Convolutions, pools, batch norm and resizing need [N, …, C] and return it. Matrix products and the
  few operators that depend on positions need ONNX's order. All others keep the layout of their input
  and translate their axes into it.
- A Transpose of ONNX therefore writes no node, and a Reshape keeps the place of every axis that it
  neither merges nor splits (`reshaping.py`).
- An operator that needs another order writes the node that makes it: a Reshape, which moves no
  values, where only axes of size 1 change place, else a Transpose, which copies the tensor. The node is
  written once for all readers of that order. A flatten between a convolution and a matrix product needs neither:
  the rows of the product's weights are reordered instead. A CNN has no Transpose inside, and
  `Graph.operators()` counts those of other models.

Types: TF.js holds float32, int32 and bool. 64-bit integers become int32 and have to fit.
"""

from fer_export.tfgraph.convert import convert
from fer_export.tfgraph.graph import Graph, Node

__all__ = ["Graph", "Node", "convert"]
