"""This module exports from torch to ONNX: pixels in, named outputs out, batch norm folded, contract embedded.

Only the functions that export import torch, which is slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from fer_export import __version__, parity
from fer_export.contract import Contract, Conversion
from fer_export.errors import InvalidInputError, UsageError
from fer_export.files import replacing
from fer_export.formats.onnx import embed_contract, load_onnx, onnx_sha256
from fer_export.formats.overwrite import check_file
from fer_export.parity.golden import with_golden
from fer_export.parity.samples import samples_for
from fer_export.runtimes import onnxruntime

if TYPE_CHECKING:
    from torch import nn

#: An opset that torch's dynamo exporter can write, tested with torch 2.14 and onnxruntime 1.31.
DEFAULT_OPSET = 20


@dataclass(frozen=True)
class Exported:
    """Describe a written ONNX file and its parity."""

    path: Path
    contract: Contract
    opset: int
    operators: dict[str, int]
    figures: list[parity.Figures]


def export(
    module: nn.Module,
    contract: Contract,
    path: Path,
    *,
    opset: int = DEFAULT_OPSET,
    batch: int | None = None,
    force: bool = False,
) -> Exported:
    """Write an ONNX file, after checking that onnxruntime computes what torch computes.

    Args:
        module: maps [N, C, H, W], 0–255, of each input to the contract's outputs in order.
        contract: the checkpoint's contract; golden vectors, tools and parity are added.
        opset: the opset of the file.
        batch: a fixed batch; None for a dynamic one.
        force: replace what is at `path`, whatever it is.

    Raises:
        UsageError: the exporter cannot write this opset, or something else than an earlier export is at `path`.
        ParityError: the outputs differ too much; the earlier file stays.
        InvalidInputError: the checker refuses the graph, or `path` cannot be written.
    """
    import torch

    from fer_export.runtimes.torch import TorchRuntime

    check_file(path, "onnx", contract.weights_sha256, force=force)
    module = module.eval()
    model = to_onnx(module, contract, opset=opset, batch=batch)
    reference = TorchRuntime(module, contract)
    batches = samples_for(contract, batch=batch)
    figures = parity.measure_parity(reference, onnxruntime.OnnxRuntime(model.SerializeToString()), batches, contract)
    parity.gate(figures, hint="please report the architecture: this is a bug of the exporter")
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.version(), "fer-export": __version__}
    contract = with_golden(contract, reference, batches).but(
        tools={**contract.tools, "torch": torch.__version__.partition("+")[0], **versions},
        parity=tuple(figure.record() for figure in figures),
        graph_sha256=onnx_sha256(model),
        batch=batch or "dynamic",
        conversion=Conversion(hop="onnx"),
    )
    embed_contract(contract, model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        written, _ = load_onnx(temporary)
    return Exported(path, contract, opset, _count(written), figures)


def to_onnx(module: nn.Module, contract: Contract, *, opset: int, batch: int | None) -> onnx.ModelProto:
    """Return the checked graph without a contract; equal weights give equal bytes on any machine."""
    from fer_export.convert import dynamo

    model: onnx.ModelProto = dynamo.program(module, contract, opset=opset, batch=batch).model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != opset:
        raise UsageError(f"opset {opset} was asked for, and the exporter writes {written}", hint="--opset 18 to 23")
    _strip(model, contract)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        # Of some errors onnx tells the same twice, and shapes on lines of their own.
        raise InvalidInputError(f"the ONNX checker refuses the graph: {' '.join(str(error).split())}") from error
    return model


def _count(model: onnx.ModelProto) -> dict[str, int]:
    names, counts = np.unique([node.op_type for node in model.graph.node], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _strip(model: onnx.ModelProto, contract: Contract) -> None:
    """Remove stack traces and paths, so that equal weights give equal bytes on any machine."""
    model.producer_name, model.producer_version = "fer-export", __version__
    model.doc_string = ""
    model.graph.name = contract.architecture.name
    model.graph.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (
        model.graph.node,
        model.graph.input,
        model.graph.output,
        model.graph.value_info,
        model.graph.initializer,
    ):
        for item in part:
            item.doc_string = ""
            del item.metadata_props[:]
