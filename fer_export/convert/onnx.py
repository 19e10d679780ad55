"""torch → ONNX: pixels in, named outputs out, batch norm folded, contract embedded.

Only what exports imports torch: who reads an ONNX file, as the TF.js writer does, need not wait for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from fer_export import __version__, parity
from fer_export.contract import KEY, Contract
from fer_export.errors import ContractError, InvalidInputError, UsageError
from fer_export.files import replacing
from fer_export.parity.golden import with_golden
from fer_export.parity.samples import samples_for
from fer_export.runtimes import onnxruntime

if TYPE_CHECKING:
    from torch import nn

#: What torch's dynamo exporter can write, as tried with torch 2.14 and onnxruntime 1.31.
DEFAULT_OPSET = 20


@dataclass(frozen=True)
class Exported:
    """A written ONNX file and what it measured."""

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
) -> Exported:
    """Write an ONNX file, after onnxruntime has shown that it computes what torch computes.

    Args:
        module: maps [N, C, H, W], 0–255, of each input to the contract's outputs in order.
        contract: of the checkpoint; golden vectors, tools and parity are added.
        opset: the opset that the file shall have.
        batch: a fixed batch; None for a dynamic one.

    Raises:
        UsageError: the exporter cannot write this opset.
        ParityError: the numbers do not hold; what was at `path` stays.
        InvalidInputError: the checker refuses the graph, or `path` cannot be written.
    """
    import torch

    from fer_export.runtimes.torch import TorchRuntime

    module = module.eval()
    model = to_onnx(module, contract, opset=opset, batch=batch)
    reference = TorchRuntime(module, contract)
    batches = samples_for(contract, batch=batch)
    figures = parity.measure(reference, onnxruntime.OnnxRuntime(model.SerializeToString()), batches, contract)
    parity.gate(figures, hint="please report the architecture: this is a bug of the exporter")
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.version(), "fer-export": __version__}
    contract = with_golden(contract, reference, batches).but(
        tools={**contract.tools, "torch": torch.__version__.partition("+")[0], **versions},
        parity=tuple(figure.record() for figure in figures),
        graph_sha256=graph_sha256(model),
    )
    embed(contract, model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        written, _ = load(temporary)
    return Exported(path, contract, opset, _count(written), figures)


def to_onnx(module: nn.Module, contract: Contract, *, opset: int, batch: int | None) -> onnx.ModelProto:
    """The bare graph, without a contract: checked, stripped of the machine's traces, deterministic."""
    from fer_export.convert import dynamo

    model: onnx.ModelProto = dynamo.program(module, contract, opset=opset, batch=batch).model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != opset:
        raise UsageError(f"opset {opset} was asked for, and the exporter writes {written}", hint="--opset 18 to 23")
    _strip(model, contract)
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise InvalidInputError(f"the ONNX checker refuses the graph: {error}") from error
    return model


def load(path: Path) -> tuple[onnx.ModelProto, Contract]:
    """Read an ONNX file with its contract and hold the two against each other.

    Raises:
        InvalidInputError: missing, truncated, no ONNX, or tensors in other files (never followed).
        ContractError: no contract, or one that belongs to another graph.
    """
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="fer-export onnx writes build/fer.onnx")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise InvalidInputError(f"{path} is truncated or not an ONNX file") from error
    if not model.graph.node or not model.opset_import:
        raise InvalidInputError(f"{path} is truncated or not an ONNX file: it holds no graph")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise InvalidInputError(f"{path} keeps tensor {tensor.name} in another file; save it in one file")
    text = {entry.key: entry.value for entry in model.metadata_props}.get(KEY)
    if text is None:
        raise ContractError(f"{path} carries no contract (metadata {KEY})", hint="fer-export onnx writes one that does")
    contract = Contract.from_json(text, where=str(path))
    _check_against_graph(model, contract, path)
    return model, contract


def graph_sha256(model: onnx.ModelProto) -> str:
    """SHA-256 of the model without its metadata."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def embed(contract: Contract, model: onnx.ModelProto) -> None:
    """Put the contract into the file's metadata, in the place of the one before."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, contract.to_json()


def _check_against_graph(model: onnx.ModelProto, contract: Contract, path: Path) -> None:
    specs = {spec.name: spec for spec in contract.inputs}
    inputs = {value.name: _shape(value) for value in model.graph.input}
    outputs = {value.name: _shape(value) for value in model.graph.output}
    if set(inputs) != set(specs):
        raise ContractError(f"{path}: the graph's inputs are {sorted(inputs)}, the contract's {sorted(specs)}")
    for name, spec in specs.items():
        wanted = list(spec.axes)
        if inputs[name][1:] != wanted:
            raise ContractError(f"{path}: input {name} is {inputs[name]}, the contract says [N, *{wanted}]")
    for output in contract.outputs:
        if output.name not in outputs:
            raise ContractError(f"{path}: the graph has no output {output.name}, which the contract names")
        found = outputs[output.name]
        channels = found[1] if len(found) > 1 else None
        said = (output.shape[-1] or None) if output.shape else None
        if said != channels:
            raise ContractError(f"{path}: output {output.name} is {found}, the contract says {said} channels")
    if contract.graph_sha256 != graph_sha256(model):
        raise ContractError(f"{path}: the contract was written for another graph", hint="export the model again")


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]


def _count(model: onnx.ModelProto) -> dict[str, int]:
    names, counts = np.unique([node.op_type for node in model.graph.node], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _strip(model: onnx.ModelProto, contract: Contract) -> None:
    """Take out stack traces and paths: the same weights shall give the same bytes on any machine."""
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


__all__ = ["DEFAULT_OPSET", "Exported", "export", "graph_sha256", "load", "to_onnx"]
