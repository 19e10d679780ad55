"""The ONNX model that a finding is told in, and what its values should be."""

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
from fer_export.diagnose.bisect.scan import Limits, Reference
from fer_export.diagnose.bisect.torch_values import Program
from fer_export.formats.onnx import load_onnx, onnx_batch
from fer_export.runtimes import Pixels
from fer_export.runtimes.torch import TorchRuntime


@dataclass(frozen=True)
class Origin:
    """A model in ONNX, and a function from pictures to its values."""

    model: onnx.ModelProto
    reference: Callable[[Pixels], Reference]


def of_onnx(path: Path, limits: Limits) -> Origin:
    """An ONNX file.

    Raises:
        InvalidInputError, ContractError: it cannot be read.
    """
    return _in_onnxruntime(f"onnxruntime {path.name}", load_onnx(path)[0], limits)


def of_opset15(module: nn.Module, contract: Contract, batch: int | None, limits: Limits) -> Origin:
    """The model that onnx-tf gets.

    Raises:
        InvalidInputError: the exporter fails.
    """
    model = onnx.load_model_from_string(opset15.to_opset15(module, contract, batch=batch))
    return _in_onnxruntime(f"onnxruntime, opset {opset15.OPSET}", model, limits)


def of_torch(module: nn.Module, contract: Contract, *, like: onnx.ModelProto | None, limits: Limits) -> Origin:
    """A module, exported again.

    ONNX Runtime computes the values while its outputs are those of the module, else torch does: then
    the exporter is what goes wrong, or ONNX Runtime.

    Args:
        like: an ONNX file of the same module, whose opset and batch are taken.
    """
    opsets = {entry.domain: entry.version for entry in like.opset_import} if like else {}
    batch = onnx_batch(like) if like else None
    program = Program(module, contract, opset=opsets.get("", exporter.DEFAULT_OPSET), batch=batch)
    eager = TorchRuntime(module, contract)

    def reference(pixels: Pixels) -> Reference:
        computed = onnx_values.values(program.model, pixels)
        expected = {name: in_onnx(value) for name, value in eager(pixels).items()}
        if limits.hold(expected, computed):
            return Reference("onnxruntime, exported again", program.model, computed, limits, program.layers)
        inputs = {entry.name: computed[entry.name] for entry in program.model.graph.input}
        values = {**inputs, **program.values(pixels, contract), **expected}
        return Reference("torch", program.model, values, limits, program.layers)

    return Origin(program.model, reference)


def _in_onnxruntime(name: str, model: onnx.ModelProto, limits: Limits) -> Origin:
    return Origin(model, lambda pixels: Reference(name, model, onnx_values.values(model, pixels), limits))
