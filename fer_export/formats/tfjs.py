"""This module reads and writes TF.js graph models: `model.json` with its contract, and shards of at most 4 MB.

A graph model is a TensorFlow GraphDef in protobuf's JSON mapping (64-bit integers as strings, bytes
as base64) beside a manifest of weights.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_export import __version__
from fer_export.contract import KEY, BatchSize, Contract, WeightsDType
from fer_export.errors import ContractError, InvalidInputError
from fer_export.formats.tfjs_weights import encode
from fer_export.tfgraph import Graph, Node
from fer_export.tfgraph.graph import FLOAT, Attribute, DType, Shape, dtype_of

SHARD_BYTES = 4 * 1024 * 1024


def write_tfjs(graph: Graph, contract: Contract, directory: Path, weights: WeightsDType) -> int:
    """Write `model.json` and its shards, and return the size of all files together in bytes."""
    entries: list[dict[str, Any]] = []
    payload = bytearray()
    for name, array in graph.constants.items():
        data, quantization = encode(name, array, weights)
        entries.append({"name": name, "shape": list(array.shape), "dtype": array.dtype.name, **quantization})
        payload += data
    count = max(1, -(-len(payload) // SHARD_BYTES))
    paths = [f"group1-shard{index + 1}of{count}.bin" for index in range(count)]
    topology, signature = topology_and_signature(graph)
    batch = next(iter(graph.inputs.values()))[0]
    contract = contract.but(
        batch=batch or "dynamic", graph_sha256=tfjs_sha256(topology, signature, entries, bytes(payload))
    )
    document = {
        "format": "graph-model",
        "generatedBy": f"fer-export {__version__}",
        "convertedBy": f"fer-export {__version__}",
        "signature": signature,
        "userDefinedMetadata": {KEY: json.loads(contract.to_json())},
        "modelTopology": topology,
        "weightsManifest": [{"paths": paths, "weights": entries}],
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    (directory / "model.json").write_text(text, "utf-8")
    for index, path in enumerate(paths):
        (directory / path).write_bytes(payload[index * SHARD_BYTES : (index + 1) * SHARD_BYTES])
    return len(text.encode()) + len(payload)


def load_tfjs(directory: Path) -> tuple[dict[str, Any], Contract]:
    """Read a TF.js model's JSON and contract, and check that they and the shards belong together.

    Raises:
        InvalidInputError: a file is missing, damaged, or named outside the directory.
        ContractError: there is no contract, or it belongs to another graph.
    """
    path = directory / "model.json" if directory.is_dir() else directory
    try:
        document = json.loads(path.read_text("utf-8"))
        topology, signature = document["modelTopology"], document["signature"]
        entries = [entry for group in document["weightsManifest"] for entry in group["weights"]]
        names = [name for group in document["weightsManifest"] for name in group["paths"]]
        if any(Path(name).name != name for name in names):
            raise InvalidInputError(f"{path}: a shard lies outside the model's folder")
        payload = b"".join((path.parent / name).read_bytes() for name in names)
        batch = _batch(signature)
        metadata = document.get("userDefinedMetadata") or {}
    except OSError as error:
        raise InvalidInputError(
            f"cannot read {error.filename or path}: {error.strerror}", hint="fer-export tfjs writes web/model"
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise InvalidInputError(f"{path} is truncated or not a TF.js graph model: {error!r}") from error
    if KEY not in metadata:
        raise ContractError(f"{path} carries no contract (userDefinedMetadata {KEY})")
    contract = Contract.from_object(metadata[KEY], where=str(path), hop="tfjs", batch=batch)
    if contract.graph_sha256 != tfjs_sha256(topology, signature, entries, payload):
        raise ContractError(f"{path}: the contract was written for another graph or other weights")
    ends = (contract.inputs, signature["inputs"]), (contract.outputs, signature["outputs"])
    if any({entry.name for entry in said} - set(found) for said, found in ends):
        raise ContractError(f"{path}: inputs or outputs are not those of the contract")
    return document, contract


def _batch(signature: dict[str, Any]) -> BatchSize:
    """Return the batch of a signature's first input."""
    first = next(iter(signature["inputs"].values()))
    size = int(first["tensorShape"]["dim"][0]["size"])
    return size if size > 0 else "dynamic"


def tfjs_sha256(topology: Any, signature: Any, entries: Any, payload: bytes) -> str:
    """Hash all that TF.js computes with; the contract holds this hash."""
    text = json.dumps([topology, signature, entries], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode() + payload).hexdigest()


def topology_and_signature(graph: Graph) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a graph's topology and signature in the form of model.json."""
    topology = {"node": [_node(node, graph) for node in graph.nodes], "library": {}, "versions": {"producer": 1994}}
    signature = {
        "inputs": {name: _tensor_info(graph, name, shape) for name, shape in graph.inputs.items()},
        "outputs": {name: _tensor_info(graph, name, shape) for name, shape in graph.outputs.items()},
    }
    return topology, signature


def _node(node: Node, graph: Graph) -> dict[str, Any]:
    attributes = {name: _attribute(value) for name, value in node.attributes.items()}
    if node.op == "Const":
        array = graph.constants[node.name]
        attributes["value"] = {"tensor": {"dtype": dtype_of(array).name, "tensorShape": _shape(array.shape)}}
    if node.op == "Placeholder":
        attributes["shape"] = {"shape": _shape(graph.inputs[node.name])}
    record: dict[str, Any] = {"name": node.name, "op": node.op}
    if node.inputs:
        record["input"] = list(node.inputs)
    return {**record, "attr": attributes}


def _tensor_info(graph: Graph, name: str, shape: Shape) -> dict[str, Any]:
    return {"name": f"{name}:0", "dtype": graph.dtypes.get(name, FLOAT).name, "tensorShape": _shape(shape)}


def _shape(shape: Sequence[int | None]) -> dict[str, Any]:
    return {"dim": [{"size": str(-1 if size is None else size)} for size in shape]}


def _attribute(value: Attribute) -> Mapping[str, Any]:
    if isinstance(value, DType):
        return {"type": value.name}
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int | np.integer):
        return {"i": str(int(value))}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str):
        return {"s": _bytes(value)}
    if value and isinstance(value[0], str):
        return {"list": {"s": [_bytes(str(item)) for item in value]}}
    return {"list": {"i": [str(int(item)) for item in value]}}


def _bytes(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
