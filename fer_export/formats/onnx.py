"""This module reads ONNX files with the contract in their `metadata_props`, and checks it against the graph."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from fer_export.contract import KEY, Contract
from fer_export.errors import ContractError, InvalidInputError


def load_onnx(path: Path) -> tuple[onnx.ModelProto, Contract]:
    """Read an ONNX file and its contract, and check that the two belong together.

    Raises:
        InvalidInputError: the file is missing, truncated or not ONNX, or keeps tensors in other files (never read).
        ContractError: there is no contract, or it belongs to another graph.
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
    contract = Contract.from_json(text, where=str(path), hop="onnx", batch=onnx_batch(model) or "dynamic")
    _check_against_graph(model, contract, path)
    return model, contract


def onnx_sha256(model: onnx.ModelProto) -> str:
    """Return the SHA-256 of the model without its metadata."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def embed_contract(contract: Contract, model: onnx.ModelProto) -> None:
    """Put the contract into the file's metadata and remove any earlier one."""
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
    if contract.graph_sha256 != onnx_sha256(model):
        raise ContractError(f"{path}: the contract was written for another graph", hint="export the model again")


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]


def onnx_batch(model: onnx.ModelProto) -> int | None:
    """Return the batch that the graph is fixed to; None where it is dynamic."""
    sizes = [size for value in model.graph.input[:1] for size in _shape(value)[:1]]
    return sizes[0] if sizes else None
