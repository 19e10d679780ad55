"""ONNX → a TensorFlow graph with channels last, without TensorFlow.

`convert` reads an ONNX model and answers a `Graph`:

1. `prepare.py` settles on the ONNX side what can be known before the run: shapes (onnx's shape
   inference), everything that depends on constants and shapes alone (`folding.py`, onnx's reference),
   and operators that the standard defines by others (`functions.py`). The batch may be free.
2. `convert.py` walks the nodes once. Each operator is one function in `operators/`, registered in
   `registry.TABLE` with its attributes, its oldest opset and its restrictions; `OPERATORS.md` is
   made from that table and from ONNX's own operator tests.
3. `passes/` rewrite the graph, one rule set a file, each with a switch.

Layout. A `Value` is an ONNX value with the TensorFlow tensor that holds it and the permutation
between the two (`layout.py`):

- The graph's inputs and outputs of rank 3 and more are [N, …, C].
- Convolutions, pools, batch norm and resizing want [N, …, C] and answer it. Matrix products and the
  few operators that count positions want ONNX's order. All others take what comes: they work on the
  tensor as it lies, with their axes counted there.
- A Transpose of ONNX therefore writes nothing, and a Reshape keeps the place of every axis that it
  neither merges nor splits (`reshaping.py`).
- Where an operator wants another order, the reader pays: one Reshape, which moves nothing, if only
  axes of size 1 change place, else one Transpose, which copies the tensor; either is written once for
  all who want the same order. A flatten between a convolution and a matrix product costs neither:
  the product's rows are reordered instead. A CNN has no Transpose inside, and `Graph.operators()`
  counts those that others have.

Types. TF.js holds float32, int32 and bool; 64-bit integers are int32 as long as they fit.
"""

from fer_export.tfgraph.convert import convert
from fer_export.tfgraph.graph import Graph, Node

__all__ = ["Graph", "Node", "convert"]
