"""Where an artefact leaves its reference: the first ONNX operator whose output is out of tolerance.

`explain` holds the values on the way against each other, in ONNX's terms and on the picture that was worst:

- An ONNX file: all values of both, in ONNX Runtime. Where torch is the reference, the ONNX model is
  exported again; if that one is out of tolerance, too, torch's own values are the reference, which the
  exporter gives the same names (`torch_values.py`).
- The direct converter's graphs (TF.js, SavedModel, frozen): the converter says which tensor holds which
  ONNX value (`Graph.values`); they are read by name (`tensor_map.py`, `tfjs_values.py`, `tfenv/tasks/values.py`).
  What is fused into one operator is named together.
- Other roads (tensorflowjs, LiteRT, onnx2tf, onnx-tf): the model goes down the same road again
  (`reconvert.py`). If what comes out is right, the file is another one than the road makes: tensors that have
  the converter's names and are right in the fresh artefact are looked up in the given one. If it is
  wrong, the model is cut on the way, and its parts go down the road (`cutting.py`).

In all cases the constants and nodes of the artefact are held against those of the fresh one
(`differences.py`).
"""

from fer_export.diagnose.bisect.explain import explain
from fer_export.diagnose.bisect.finding import Finding, Operator, Statistics, Value
from fer_export.diagnose.bisect.of_verify import by_turn, findings

__all__ = ["Finding", "Operator", "Statistics", "Value", "by_turn", "explain", "findings"]
