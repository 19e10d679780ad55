"""This module exports a module to ONNX again, and computes torch's own values under the ONNX names.

The exporter names each ONNX value after the node of torch's exported program that it translates
(torch.onnx.ONNXProgram.exported_program), so the two can be compared by name.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn

from fer_export.contract import Contract
from fer_export.convert import dynamo
from fer_export.diagnose.bisect.finding import Array
from fer_export.errors import InvalidInputError
from fer_export.runtimes import Inputs, channels_first

#: The metadata keys under which the exporter keeps the names and classes of the modules around each node.
_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"


class Program:
    """Hold an exported module.

    Attributes:
        model: the ONNX model, with the names that `fer_export.convert.onnx` writes.
        layers: the module that each ONNX node comes from, by node name: `stem.0 (Conv2d)`.
    """

    def __init__(self, module: nn.Module, contract: Contract, *, opset: int, batch: int | None) -> None:
        program = dynamo.program(module.eval(), contract, opset=opset, batch=batch)
        self.model: onnx.ModelProto = program.model_proto
        self.layers = {node.name: layer for node in self.model.graph.node if (layer := _layer(node))}
        self._exported: Any = program.exported_program

    def values(self, inputs: Inputs, contract: Contract) -> dict[str, Array]:
        """Return what torch computes for every node of the exported program.

        Raises:
            InvalidInputError: the exported program is missing.
        """
        if self._exported is None:
            raise InvalidInputError("torch.onnx kept no exported program")
        recorder = _Recorder(self._exported.module())
        fed = [torch.from_numpy(channels_first(inputs[spec.name])) for spec in contract.inputs]
        with torch.inference_mode():
            answers = recorder.run(*fed)
        named = zip(contract.outputs, answers, strict=True)
        return {**recorder.values, **{output.name: answer.numpy() for output, answer in named}}


class _Recorder(torch.fx.Interpreter):
    """Run a graph and keep the result of each of its nodes."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.values: dict[str, Array] = {}

    def run_node(self, node: Any) -> Any:
        answer = super().run_node(node)
        if node.op != "call_function" or not isinstance(answer, torch.Tensor):
            return answer
        # The program was traced with torch's usual memory layout, which a convolution's result need not have.
        answer = answer.contiguous()
        self.values[node.name] = answer.numpy()
        return answer


def _layer(node: onnx.NodeProto) -> str | None:
    """Convert `["", "stem", "stem.0", "conv2d"]` and the classes beside it to `stem.0 (Conv2d)`."""
    texts = {entry.key: entry.value for entry in node.metadata_props}
    if _SCOPES not in texts or _CLASSES not in texts:
        return None
    import ast

    scopes, classes = (ast.literal_eval(texts[key]) for key in (_SCOPES, _CLASSES))
    if len(scopes) < 2 or not scopes[-2]:
        return None
    return f"{scopes[-2]} ({classes[-2].rpartition('.')[2]})"
