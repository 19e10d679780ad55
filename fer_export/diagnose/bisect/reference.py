"""This module makes the ONNX model whose names a finding uses, and computes what its values should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from fer_export.contract import Contract
from fer_export.convert import onnx as exporter
from fer_export.convert import opset15
from fer_export.diagnose.bisect import onnx_values
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.scan import Limits, ReferenceValues
from fer_export.diagnose.bisect.torch_values import Program
from fer_export.formats.onnx import load_onnx, onnx_batch
from fer_export.runtimes import Inputs
from fer_export.runtimes.torch import TorchRuntime


@dataclass(frozen=True)
class ReferenceModel:
    """Hold a model in ONNX, and a function from inputs to its values."""

    model: onnx.ModelProto
    compute: Callable[[Inputs], ReferenceValues]


def from_onnx(path: Path, limits: Limits) -> ReferenceModel:
    """Take an ONNX file as the reference.

    Raises:
        InvalidInputError, ContractError: the file cannot be read.
    """
    return _in_onnxruntime(f"onnxruntime {path.name}", load_onnx(path)[0], limits)


def from_opset15(module: nn.Module, contract: Contract, batch: int | None, limits: Limits) -> ReferenceModel:
    """Take the model in opset 15, which onnx-tf converts, as the reference.

    Raises:
        InvalidInputError: the exporter fails.
    """
    model = onnx.load_model_from_string(opset15.to_opset15(module, contract, batch=batch))
    return _in_onnxruntime(f"onnxruntime, opset {opset15.OPSET}", model, limits)


def from_torch(
    module: nn.Module, contract: Contract, *, like: onnx.ModelProto | None, limits: Limits
) -> ReferenceModel:
    """Export a module again and take it as the reference.

    ONNX Runtime computes the values if its outputs equal the module's. Otherwise torch does, and the fault is in
    the exporter or in ONNX Runtime.

    Args:
        like: an ONNX file of the same module, whose opset and batch are used.
    """
    opsets = {entry.domain: entry.version for entry in like.opset_import} if like else {}
    batch = onnx_batch(like) if like else None
    program = Program(module, contract, opset=opsets.get("", exporter.DEFAULT_OPSET), batch=batch)
    eager = TorchRuntime(module, contract)

    def reference(inputs: Inputs) -> ReferenceValues:
        computed = onnx_values.values(program.model, inputs)
        expected = {name: in_onnx(value) for name, value in eager(inputs).items()}
        if limits.hold(expected, computed):
            return ReferenceValues("onnxruntime, exported again", program.model, computed, limits, program.layers)
        fed = {entry.name: computed[entry.name] for entry in program.model.graph.input}
        values = {**fed, **program.values(inputs, contract), **expected}
        return ReferenceValues("torch", program.model, values, limits, program.layers)

    return ReferenceModel(program.model, reference)


def _in_onnxruntime(name: str, model: onnx.ModelProto, limits: Limits) -> ReferenceModel:
    return ReferenceModel(model, lambda inputs: ReferenceValues(name, model, onnx_values.values(model, inputs), limits))
