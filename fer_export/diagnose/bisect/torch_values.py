"""The ONNX model that torch's exporter makes of a module today, and torch's own values under the same names.

The exporter names each ONNX value after the node of torch's exported program that it translates
(torch.onnx.ONNXProgram.exported_program), so that the two can be held against each other by name.
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
from fer_export.runtimes import Pixels, by_input, channels_first

#: Where the exporter keeps, in each node's metadata, the names and classes of the modules around it.
_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"


class Program:
    """A module, exported.

    Attributes:
        model: ONNX, with the names that `fer_export.convert.onnx` writes.
        layers: by ONNX node, the module that it comes from: `stem.0 (Conv2d)`.
    """

    def __init__(self, module: nn.Module, contract: Contract, *, opset: int, batch: int | None) -> None:
        program = dynamo.program(module.eval(), contract, opset=opset, batch=batch)
        self.model: onnx.ModelProto = program.model_proto
        self.layers = {node.name: layer for node in self.model.graph.node if (layer := _layer(node))}
        self._exported: Any = program.exported_program

    def values(self, pixels: Pixels, contract: Contract) -> dict[str, Array]:
        """What torch computes for every node of the exported program.

        Raises:
            InvalidInputError: the exported program is not there.
        """
        if self._exported is None:
            raise InvalidInputError("torch.onnx kept no exported program")
        recorder = _Recorder(self._exported.module())
        feeds = by_input(pixels, contract.inputs[0].name).values()
        with torch.inference_mode():
            answers = recorder.run(*(torch.from_numpy(channels_first(part)) for part in feeds))
        named = zip(contract.outputs, answers, strict=True)
        return {**recorder.values, **{output.name: answer.numpy() for output, answer in named}}


class _Recorder(torch.fx.Interpreter):
    """Runs a graph and keeps what each of its nodes answers."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.values: dict[str, Array] = {}

    def run_node(self, node: Any) -> Any:
        answer = super().run_node(node)
        if node.op != "call_function" or not isinstance(answer, torch.Tensor):
            return answer
        # The program was traced for tensors in torch's usual order, which a convolution need not keep to.
        answer = answer.contiguous()
        self.values[node.name] = answer.numpy()
        return answer


def _layer(node: onnx.NodeProto) -> str | None:
    """`["", "stem", "stem.0", "conv2d"]` and the classes beside it → `stem.0 (Conv2d)`."""
    texts = {entry.key: entry.value for entry in node.metadata_props}
    if _SCOPES not in texts or _CLASSES not in texts:
        return None
    import ast

    scopes, classes = (ast.literal_eval(texts[key]) for key in (_SCOPES, _CLASSES))
    if len(scopes) < 2 or not scopes[-2]:
        return None
    return f"{scopes[-2]} ({classes[-2].rpartition('.')[2]})"
