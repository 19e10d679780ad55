"""The contract travels whole through every format, and a wrong one is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
import torch
from pydantic import ValidationError

from fer_export import tfgraph
from fer_export.contract import KEY, Contract
from fer_export.convert import onnx
from fer_export.errors import ContractError, InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import load_tfjs, write_tfjs


def written_tfjs(source: Path, folder: Path) -> Contract:
    """The TF.js model of an ONNX file, without the parity run."""
    model, contract = load_onnx(source)
    folder.mkdir(exist_ok=True)
    write_tfjs(tfgraph.convert(model), contract, folder, "float32")
    return contract


def test_json_round_trip(small: Checkpoint) -> None:
    text = small.contract.to_json()
    again = Contract.from_json(text, where="here")
    assert again == small.contract
    assert again.to_json() == text


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_checkpoint_round_trip(small: Checkpoint, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"best{ending}"
    checkpoint.save(small, path)
    again = checkpoint.load(path)
    assert again.contract == small.contract
    assert all(torch.equal(again.state[name], small.state[name]) for name in small.state)
    assert read_contract(path) == small.contract


def test_onnx_carries_all_of_the_checkpoints_contract(small: Checkpoint, small_onnx: Path) -> None:
    contract = read_contract(small_onnx)
    changed = {"graph_sha256", "golden", "parity", "tools"}
    for name in set(Contract.model_fields) - changed:
        assert getattr(contract, name) == getattr(small.contract, name), name
    assert contract.parity, "the measured parity is inside"
    entries = {entry.key: entry.value for entry in onnx_library.load(small_onnx).metadata_props}
    assert json.loads(entries[KEY])["labels"] == list(small.contract.labels)


def test_golden_vectors_are_torchs_answers(small: Checkpoint, small_onnx: Path) -> None:
    contract = read_contract(small_onnx)
    assert len(contract.golden) == 3
    for golden in contract.golden:
        pixels = torch.from_numpy(golden.image(1).copy()).float()[None, None, :, :, 0]
        with torch.inference_mode():
            probabilities, logits = small.module()(pixels)
        np.testing.assert_allclose(golden.outputs["probabilities"], probabilities[0], atol=1e-6)
        np.testing.assert_allclose(golden.outputs["logits"], logits[0], atol=1e-6)


def test_tfjs_round_trip(small_onnx: Path, tmp_path: Path) -> None:
    contract = written_tfjs(small_onnx, tmp_path / "model")
    again = read_contract(tmp_path / "model")
    assert again.but(graph_sha256=None) == contract.but(graph_sha256=None)
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    assert document["userDefinedMetadata"][KEY]["labels"] == list(contract.labels)


def test_same_input_same_bytes(small: Checkpoint, small_onnx: Path, tmp_path: Path) -> None:
    onnx.export(small.module(), small.contract, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == small_onnx.read_bytes()
    for name in ("one", "two"):
        written_tfjs(small_onnx, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    for name in ("a.safetensors", "b.safetensors"):
        checkpoint.save(small, tmp_path / name)
    hashes = {hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in ("a.safetensors", "b.safetensors")}
    assert len(hashes) == 1


def test_no_trace_of_this_machine(small_onnx: Path) -> None:
    content = small_onnx.read_bytes()
    assert str(Path.cwd()).encode() not in content
    assert b"stack_trace" not in content


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version"),
        ({"labels": ["a", "a"] * 4}, "labels repeat"),
        ({"labels": ["a", "b"]}, "there are 2 labels"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"surprise": 1}, "surprise"),
        ({"normalization": {"mean": [1.0], "std": [0.0]}}, "normalization.std"),
        ({"normalization": {"mean": [1.0, 2.0], "std": [1.0, 1.0]}}, "each of 1 channel"),
        ({"input": {"height": 48, "width": None, "channels": 1, "color": "gray"}}, "both fixed or both free"),
    ],
)
def test_invalid_contracts_say_what_is_wrong(small: Checkpoint, change: dict[str, object], says: str) -> None:
    record = {**small.contract.model_dump(mode="json"), **change}
    with pytest.raises(ContractError, match=says):
        Contract.from_object(record, where="test")


def test_it_is_frozen(small: Checkpoint) -> None:
    with pytest.raises(ValidationError):
        small.contract.license = "mine"  # type: ignore[misc]


def spoil_onnx(path: Path, change: str) -> None:
    """Damage an ONNX file in one way."""
    model = onnx_library.load(path)
    if change == "no contract":
        del model.metadata_props[:]
    elif change == "another weight":
        tensor = model.graph.initializer[0]
        array = onnx_library.numpy_helper.to_array(tensor).copy()
        array.flat[0] += 0.1
        tensor.CopyFrom(onnx_library.numpy_helper.from_array(array, tensor.name))
    elif change == "another input":
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64
    elif change == "other labels":
        entry = model.metadata_props[0]
        record = json.loads(entry.value)
        record["labels"] = record["labels"][:-1]
        for output in record["outputs"]:
            output["shape"] = [len(record["labels"])]
        record["golden"] = []
        entry.value = json.dumps(record)
    elif change == "external data":
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx_library.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("no contract", "carries no contract"),
        ("another weight", "written for another graph"),
        ("another input", "the contract says"),
        ("other labels", "the contract says 7"),
        ("external data", "another file"),
    ],
)
def test_onnx_that_does_not_match_is_refused(small_copy: Path, change: str, says: str) -> None:
    spoil_onnx(small_copy, change)
    with pytest.raises(InvalidInputError, match=says):
        load_onnx(small_copy)


@pytest.mark.parametrize("change", ["no contract", "another weight", "another graph", "shard outside", "shard missing"])
def test_tfjs_that_does_not_match_is_refused(small_onnx: Path, tmp_path: Path, change: str) -> None:
    folder = tmp_path / "model"
    written_tfjs(small_onnx, folder)
    document = json.loads((folder / "model.json").read_text())
    shard = folder / document["weightsManifest"][0]["paths"][0]
    if change == "no contract":
        del document["userDefinedMetadata"]
    elif change == "another weight":
        data = bytearray(shard.read_bytes())
        data[7] ^= 1
        shard.write_bytes(data)
    elif change == "another graph":
        document["modelTopology"]["node"][3]["op"] = "Relu"
    elif change == "shard outside":
        document["weightsManifest"][0]["paths"] = ["../secret.bin"]
    else:
        shard.unlink()
    (folder / "model.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInputError):
        load_tfjs(folder)


def test_checkpoint_with_other_weights_is_refused(small: Checkpoint, tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in small.state.items()}
    state["head.bias"][0] += 1
    checkpoint.save(Checkpoint(small.contract, state), tmp_path / "best.pth")
    with pytest.raises(ContractError, match="not those of its contract"):
        checkpoint.load(tmp_path / "best.pth")
