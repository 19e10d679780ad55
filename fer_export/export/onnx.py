"""torch → ONNX: pixels in, named outputs out, batch norm folded, contract embedded.

Only what exports imports torch: who reads an ONNX file, as the TF.js writer does, need not wait for it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from fer_export import __version__, parity
from fer_export.contract import KEY, Contract, Input
from fer_export.errors import ContractError, InvalidInputError, UsageError, first_line
from fer_export.export.golden import with_golden
from fer_export.files import replacing
from fer_export.runtime import onnxruntime
from fer_export.samples import samples_for

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

    from fer_export.runtime.torch import TorchRuntime

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
    import torch

    from fer_export.foreign.wrapper import Wrapped

    specs = (contract.input, *contract.more_inputs)
    count = 2 if batch is None else batch
    pixels = [torch.full((count, spec.channels, spec.height or 64, spec.width or 80), 127.0) for spec in specs]
    dynamic = tuple(dynamic_axes(spec, batch) for spec in specs)
    for noisy in ("torch.onnx", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # Of a net that it cannot trace, torch prints the whole graph.
    quiet = io.StringIO()
    with (
        warnings.catch_warnings(),
        redirect_stdout(quiet),
        redirect_stderr(quiet),
        _named_failure(contract.architecture.name),
    ):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(pixels),
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[spec.name for spec in specs],
            output_names=[output.name for output in contract.outputs],
            # A module that takes any number of inputs wants the shapes of all of them as one argument.
            dynamic_shapes=(dynamic,) if isinstance(module, Wrapped) else dynamic,
        )
    assert program is not None
    distinct(program.model)
    model: onnx.ModelProto = program.model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != opset:
        # Below opset 18 the dynamo exporter says nothing and writes 18.
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


@contextmanager
def _named_failure(architecture: str) -> Iterator[None]:
    """Turn the exporter's failure, many pages long, into its cause."""
    import torch

    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        hint = "where the net is written for one batch size: --batch 1" if "specialized" in str(cause) else None
        raise InvalidInputError(f"torch.onnx cannot export {architecture}: {first_line(cause)}", hint=hint) from error


def distinct(model: Any) -> None:
    """Rename the inner values that have the name of an input or output; torch looks at its own names alone."""
    ends = [*model.graph.inputs, *model.graph.outputs]
    taken = {value.name for value in ends}
    for node in model.graph:
        for value in node.outputs:
            if value.name in taken and not any(value is end for end in ends):
                value.name = f"{value.name}/inner"


def dynamic_axes(spec: Input, batch: int | None) -> dict[int, Any]:
    """The axes of an input [N, C, H, W] that stay free, as torch.export wants them."""
    import torch

    free = ([] if batch is not None else [0]) + ([] if spec.height is not None else [2, 3])
    return dict.fromkeys(free, torch.export.Dim.DYNAMIC)


def embed(contract: Contract, model: onnx.ModelProto) -> None:
    """Put the contract into the file's metadata, in the place of the one before."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, contract.to_json()


def _check_against_graph(model: onnx.ModelProto, contract: Contract, path: Path) -> None:
    specs = {spec.name: spec for spec in (contract.input, *contract.more_inputs)}
    inputs = {value.name: _shape(value) for value in model.graph.input}
    outputs = {value.name: _shape(value) for value in model.graph.output}
    if set(inputs) != set(specs):
        raise ContractError(f"{path}: the graph's inputs are {sorted(inputs)}, the contract's {sorted(specs)}")
    for name, spec in specs.items():
        wanted = [spec.channels, spec.height, spec.width]
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
