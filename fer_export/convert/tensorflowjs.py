"""This module converts a SavedModel to TF.js with TensorFlow's own converter, as a check on the direct one."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_export import __version__, parity
from fer_export.contract import KEY, Contract, Conversion, WeightsDType
from fer_export.convert import tfjs
from fer_export.errors import InvalidInputError
from fer_export.files import replacing_directory
from fer_export.formats.overwrite import check_folder
from fer_export.formats.saved_model import load_saved_model
from fer_export.formats.tfjs import load_tfjs, tfjs_sha256
from fer_export.parity.samples import samples_for
from fer_export.runtimes import tensorflow
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker

#: Fused operators, and the axes of their filters that make up the channels of their output.
_CHANNEL_AXES = {"_FusedConv2D": (3,), "FusedDepthwiseConv2dNative": (2, 3), "_FusedMatMul": (1,)}


def export(
    source: Path,
    directory: Path,
    *,
    worker: Worker,
    browser: Browser,
    weights: WeightsDType = "float32",
    backends: Sequence[str] = ("wasm",),
    force: bool = False,
) -> tfjs.Written:
    """Convert, and move into place once TF.js in the browser computes what TensorFlow does.

    The worker runs it with `TF_ENABLE_ONEDNN_OPTS=0`: with oneDNN, grappler writes operators that
    TF.js cannot run (`_FusedHardSwish`), and the converter reports no error.

    Args:
        source: the folder of a SavedModel that `fer-export tf` wrote.
        directory, browser, weights, backends, force: the same as for `fer_export.convert.tfjs.export`.
        worker: a worker in the environment `tf`.

    Raises:
        UsageError: something else than an earlier export is in the directory.
        InvalidInputError: there is no SavedModel, or the converter fails.
        ParityError: the outputs differ too much; the earlier files stay.
        MissingDependencyError: the environment is missing.
    """
    contract = load_saved_model(source)
    own = check_folder(directory, "tfjs", contract.weights_sha256, force=force)
    # Contract 1 did not record the batch.
    batch = worker.call("saved_model.batch", source=source)
    batches = samples_for(contract, batch=batch)
    with replacing_directory(directory, own=own) as temporary:
        document, version = convert(source, temporary, weights, worker=worker)
        contract = contract.but(
            weights_dtype=weights,
            parity=(),
            batch=batch or "dynamic",
            conversion=Conversion(hop="tensorflowjs", converter=contract.converter),
            tools={
                **contract.tools,
                "tensorflowjs": version,
                "tfjs": browser.tfjs_version,
                "fer-export": __version__,
            },
        )
        embed(document, contract, temporary)
        figures = []
        with tensorflow.saved_model(worker, source) as reference:
            for backend in backends:
                with browser.open(temporary, backend) as runtime:
                    figures += parity.measure_parity(reference, runtime, batches, contract)
        parity.gate(figures, hint="fer-export tfjs --via direct" if weights == "float32" else "--weights float32")
        contract = contract.but(parity=tuple(figure.record() for figure in figures))
        embed(document, contract, temporary)
        _, contract = load_tfjs(temporary)
        size = sum(path.stat().st_size for path in temporary.iterdir())
    nodes = Counter(node["op"] for node in document["modelTopology"]["node"])
    operators = Counter({name: count for name, count in nodes.items() if name not in ("Const", "Placeholder")})
    return tfjs.Written(directory, contract, operators, size, figures)


def convert(source: Path, directory: Path, weights: WeightsDType, *, worker: Worker) -> tuple[dict[str, Any], str]:
    """Write a SavedModel as a TF.js model, and make it fit to run; answers its document and tensorflowjs's version.

    The document is not yet written again: `embed` does that, with a contract.

    Raises:
        InvalidInputError: the converter fails.
    """
    answer = worker.call("run_tensorflowjs.convert", source=source, directory=directory, weights=weights)
    document = read_document(directory)
    made_fit(document, answer["tensors"], directory)
    return document, answer["version"]


def read_document(directory: Path) -> dict[str, Any]:
    """Read the model.json that the converter wrote."""
    path = directory / "model.json"
    if not path.is_file():
        raise InvalidInputError("tensorflowjs_converter reported no error, but wrote no model.json")
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def made_fit(document: dict[str, Any], tensors: dict[str, str], directory: Path) -> None:
    """Repair the converter's model so that it runs and has the contract's names of inputs and outputs.

    Args:
        document: the parsed `model.json`, which is changed.
        tensors: the outputs' tensors, by output name.
        directory: the folder with the shards; one more may be added.
    """
    name_inputs(document)
    name_outputs(document, tensors)
    biases_of_rank_1(document, directory)


def name_inputs(document: dict[str, Any]) -> None:
    """Give the signature's inputs the names of their placeholders, which have the contract's names.

    The converter calls two inputs of the same type and shape `ids:0` and `mask:0`; see `name_outputs`.
    """
    found = document["signature"]["inputs"].values()
    document["signature"]["inputs"] = {info["name"].removesuffix(":0"): info for info in found}


def name_outputs(document: dict[str, Any], tensors: dict[str, str]) -> None:
    """Restore the names of the signature's outputs.

    The converter finds outputs by type and shape, and where two have the same shape, as
    probabilities and logits do, it names them after their tensors.
    """
    found = {info["name"]: info for info in document["signature"]["outputs"].values()}
    missing = [name for name, tensor in tensors.items() if tensor not in found]
    if missing:
        raise InvalidInputError(f"tensorflowjs_converter wrote no output {missing[0]}")
    document["signature"]["outputs"] = {name: found[tensor] for name, tensor in tensors.items()}


def biases_of_rank_1(document: dict[str, Any], directory: Path) -> None:
    """Give each fused operator a bias for every channel, stored in an additional shard.

    Grappler drops a bias of zeros and then fuses a later addition of one number (the half of a
    hard sigmoid) as the bias, but TF.js needs a bias of rank 1.
    """
    manifest, nodes = document["weightsManifest"], document["modelTopology"]["node"]
    weights = {entry["name"]: (entry, data) for entry, data in _weights(manifest, directory)}
    entries, payload, made = [], b"", []
    for node in nodes:
        if node["op"] not in _CHANNEL_AXES or len(node["input"]) < 3 or node["input"][2] not in weights:
            continue
        entry, data = weights[node["input"][2]]
        if entry["shape"]:
            continue
        shape = weights[node["input"][1]][0]["shape"]
        channels = math.prod(shape[axis] for axis in _CHANNEL_AXES[node["op"]])
        name = f"{node['name']}/bias_of_rank_1"
        entries.append({**entry, "name": name, "shape": [channels]})
        payload += data * channels
        tensor = {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": str(channels)}]}}
        made.append({"name": name, "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}, "value": {"tensor": tensor}}})
        node["input"][2] = name
    if entries:
        nodes[:0] = made
        path = "group2-shard1of1.bin"
        (directory / path).write_bytes(payload)
        manifest.append({"paths": [path], "weights": entries})


def _weights(manifest: list[dict[str, Any]], directory: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield each weight's entry in the manifest and its bytes."""
    for group in manifest:
        payload = b"".join((directory / name).read_bytes() for name in group["paths"])
        start = 0
        for entry in group["weights"]:
            kind = np.dtype(entry.get("quantization", entry)["dtype"])
            end = start + math.prod(entry["shape"]) * kind.itemsize
            yield entry, payload[start:end]
            start = end


def embed(document: dict[str, Any], contract: Contract, directory: Path) -> None:
    """Write model.json with the contract, which holds the hash of its graph and shards."""
    payload = b"".join(
        (directory / name).read_bytes() for group in document["weightsManifest"] for name in group["paths"]
    )
    entries = [entry for group in document["weightsManifest"] for entry in group["weights"]]
    contract = contract.but(
        graph_sha256=tfjs_sha256(document["modelTopology"], document["signature"], entries, payload)
    )
    document["userDefinedMetadata"] = {KEY: json.loads(contract.to_json())}
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    (directory / "model.json").write_text(text, "utf-8")
