"""This package finds where an artefact leaves its reference: the first ONNX operator out of tolerance.

`explain` compares the intermediate values of both, as ONNX values, on the picture with the largest difference:

- ONNX file: ONNX Runtime computes all values of both. Where torch is the reference, the ONNX model is
  exported again; if that is out of tolerance as well, torch's own values are the reference, which the
  exporter gives the same names (`torch_values.py`).
- Graphs of the direct converter (TF.js, SavedModel, frozen): the converter says which tensor holds which
  ONNX value (`Graph.values`), and they are read by name (`tensor_map.py`, `tfjs_values.py`, `tfenv/tasks/values.py`).
  Operators that are fused into one are named together.
- Other routes (tensorflowjs, LiteRT, onnx2tf, onnx-tf): the model is converted again by the same route
  (`reconvert.py`). If the result is right, the given file is not what the route makes: tensors that have
  the converter's names and are right in the new artefact are compared in the given one. If it is
  wrong, the model is cut at inner values, and its parts are converted by the route (`cutting.py`).

In all cases the constants and nodes of the artefact are compared with those of the new one
(`differences.py`).
"""

from fer_export.diagnose.bisect.explain import explain
from fer_export.diagnose.bisect.finding import Finding, Operator, Statistics, Value
from fer_export.diagnose.bisect.of_verify import by_turn, findings

__all__ = ["Finding", "Operator", "Statistics", "Value", "by_turn", "explain", "findings"]
