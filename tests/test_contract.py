"""These tests check that the contract survives every format unchanged, and that an invalid one is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_library
import pytest
import torch
from pydantic import ValidationError

from fer_export import tfgraph
from fer_export.contract import (
    KEY,
    TOLERANCES,
    Contract,
    Conversion,
    PictureInput,
    Tolerance,
    Training,
    ValuesInput,
    WeightsDType,
    canonical,
)
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
    again = checkpoint.load_checkpoint(path)
    assert again.contract == small.contract
    assert all(torch.equal(again.state[name], small.state[name]) for name in small.state)
    assert read_contract(path) == small.contract


def test_onnx_carries_all_of_the_checkpoints_contract(small: Checkpoint, small_onnx: Path) -> None:
    contract = read_contract(small_onnx)
    changed = {"conversion", "graph_sha256", "golden", "parity", "tools"}
    for name in set(Contract.model_fields) - changed:
        assert getattr(contract, name) == getattr(small.contract, name), name
    assert contract.parity, "the measured parity is inside"
    assert contract.conversion == Conversion(hop="onnx")
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


PICTURE = {
    "kind": "picture", "name": "pixels", "height": 48, "width": 48, "channels": 1, "color": "gray",
    "normalization": {"mean": [1.0], "std": [2.0]},
}  # fmt: skip
VALUES = {"kind": "values", "name": "ids", "shape": [12], "dtype": "int64", "range": [0, 99]}


def signed(record: dict[str, object]) -> dict[str, object]:
    """The record with the hash of its own text."""
    return {**record, "sha256": canonical.sha256(record)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 0}, "version"),
        ({"version": "2"}, "version"),
        ({"version": True}, "version"),
        ({"labels": ["a", "a"] * 4}, "labels repeat"),
        ({"labels": ["a", "b"]}, "there are 2 labels"),
        ({"outputs": []}, "outputs"),
        ({"outputs": [{"name": "map", "shape": [4], "meaning": ""}]}, "8 labels, and no output probabilities"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"batch": 0}, "batch"),
        ({"batch": "free"}, "batch"),
        ({"conversion": {"hop": "coreml"}}, "conversion.hop"),
        ({"tolerance": {"value": 0}}, "tolerance.value"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{**PICTURE, "kind": "sound"}]}, "kind"),
        ({"inputs": [PICTURE, {**VALUES, "name": "pixels"}]}, "repeat: pixels"),
        ({"inputs": [VALUES]}, "the first input takes values"),
        ({"inputs": [{**PICTURE, "channels": 2, "color": "planes"}]}, "one std for each of 2 channel"),
    ],
)
def test_invalid_contracts_say_what_is_wrong(small: Checkpoint, change: dict[str, object], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        Contract.from_object(signed({**small.contract.to_object(), **change}), where="test")


@pytest.mark.parametrize("arguments", [{"width": 2**60}, {"widths": (8, -(2**60))}])
def test_numbers_that_json_readers_do_not_agree_on_are_refused(small: Checkpoint, arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="beyond 2\\^53"):
        small.contract.architecture.but(arguments=arguments)
    with pytest.raises(ValidationError, match="beyond 2\\^53"):
        Training(data="", protocol="", recipe="", seed=2**60, epochs=1)
    assert small.contract.architecture.but(arguments={"seed": 2**53 - 1}).arguments == {"seed": 2**53 - 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"normalization": {"mean": [1.0], "std": [0.0]}}, "greater than 0"),
        ({"normalization": {"mean": [1.0, 2.0], "std": [1.0, 1.0]}}, "one mean and one std for each of 1 channel"),
        ({"width": None}, "both fixed or both free"),
        ({"channels": 3}, "3 channel\\(s\\) cannot be gray"),
        ({"channels": 0, "color": "planes"}, "greater than or equal to 1"),
        ({"height": 5000, "width": 5000}, "less than or equal to 4096"),
        ({"color": "values"}, "color"),
    ],
)
def test_rules_of_a_picture(change: dict[str, object], says: str) -> None:
    assert PictureInput.model_validate(PICTURE).axes_last == (48, 48, 1)
    with pytest.raises(ValidationError, match=says):
        PictureInput.model_validate({**PICTURE, **change})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"range": [1, 0]}, "from the lower end to the higher"),
        ({"range": [0.5, 3]}, "whole numbers"),
        ({"range": [0, 2**31]}, "whole numbers"),
        ({"dtype": "bool", "range": [0, 2]}, "from 0 to 1"),
        ({"dtype": "float64"}, "dtype"),
        ({"shape": [0]}, "greater than or equal to 1"),
        ({"shape": [None]}, "valid integer"),
    ],
)
def test_rules_of_values(change: dict[str, object], says: str) -> None:
    assert ValuesInput.model_validate({**VALUES, "shape": [3, 5, 7]}).axes_last == (5, 7, 3)
    assert ValuesInput.model_validate({**VALUES, "shape": []}).axes == ()
    with pytest.raises(ValidationError, match=says):
        ValuesInput.model_validate({**VALUES, **change})


def test_a_net_of_values_has_no_picture(small: Checkpoint) -> None:
    values = small.contract.but(inputs=(ValuesInput.model_validate(VALUES),), crop=None)
    with pytest.raises(ContractError, match="takes ids, which is no picture"):
        _ = values.picture
    assert small.contract.picture == small.contract.inputs[0]


def test_a_typo_of_our_own_is_caught(small: Checkpoint) -> None:
    """Unknown fields are kept when they are read, and refused when we set them."""
    with pytest.raises(TypeError, match="no field lables"):
        small.contract.but(lables=())
    with pytest.raises(TypeError, match="no field widht"):
        small.contract.picture.but(widht=3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_the_tolerance_goes_with_the_weights(small: Checkpoint, dtype: WeightsDType) -> None:
    changed = small.contract.but(weights_dtype="uint8").but(weights_dtype=dtype)
    assert changed.tolerance == TOLERANCES[dtype]
    bare = {name: value for name, value in changed.to_object().items() if name not in ("tolerance", "sha256")}
    assert Contract.model_validate(bare) == changed
    own = Tolerance(value=0.5)
    assert small.contract.but(weights_dtype=dtype, tolerance=own).tolerance == own


# The hash over a contract's own text


def test_the_hash_is_of_canonical_json() -> None:
    """RFC 8785: keys sorted by UTF-16, numbers as JavaScript writes them, no white space; and without the hash."""
    record = {
        "z": [1.0, -0.0, 1e21, 1e-7, 0.000001, 123456789012345680000.0, 5e-324],
        "a": {"\u20ac": '\u20ac\n"', "\r": True, "\U0001f600": None, "\ufb33": 0.1},
        "sha256": "whatever",
    }
    text = (
        '{"a":{"\\r":true,"\u20ac":"\u20ac\\n\\"","\U0001f600":null,"\ufb33":0.1},'
        '"z":[1,0,1e+21,1e-7,0.000001,123456789012345680000,5e-324]}'
    )
    assert canonical.sha256(record) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_keys_and_white_space_do_not_matter(small: Checkpoint) -> None:
    turned = json.dumps(dict(reversed(small.contract.to_object().items())), indent=3)
    assert Contract.from_json(turned, where="here") == small.contract


def test_defaults_are_not_part_of_it(small: Checkpoint) -> None:
    """The hash covers only the fields that a file has, so a later minor version's defaults do not change it."""
    record = small.contract.to_object()
    del record["calibration"], record["outputs"][0]["meaning"]
    record["outputs"][0]["meaning"] = "short"
    assert Contract.from_object(signed(record), where="here").calibration is None


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"sha256": None}, {"license": "mine"}, {"later": 1}])
def test_an_edited_contract_is_noticed(small: Checkpoint, change: dict[str, object]) -> None:
    record = {**small.contract.to_object(), **change}
    with pytest.raises(ContractError, match="was edited after it was written"):
        Contract.from_object(record, where="here")
    del record["sha256"]
    with pytest.raises(ContractError, match="was edited after it was written"):
        Contract.from_object(record, where="here")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"version": NaN}', "[" * 100_000, b"\xff"])
def test_what_is_no_contract_is_refused(text: str | bytes) -> None:
    with pytest.raises(ContractError, match="here: the contract is not"):
        Contract.from_json(text, where="here")


def test_a_later_field_that_has_no_canonical_form_is_refused(small: Checkpoint) -> None:
    text = small.contract.to_json()[:-1] + f',"later":{2**60}}}'
    with pytest.raises(ContractError, match="exceeds safe integer"):
        Contract.from_json(text, where="here")
    with pytest.raises(ContractError, match=r"cannot be written: .*exceeds safe integer"):
        Contract.model_validate({**dict(small.contract), "later": 2**60}).to_json()


# Fields of later versions


def extended(record: Any) -> Any:
    """A field that nobody knows, at every level."""
    if isinstance(record, dict):
        return {**{key: extended(value) for key, value in record.items()}, "later": {"any": [1, None, "text"]}}
    return [extended(value) for value in record] if isinstance(record, list) else record


def test_unknown_fields_are_kept_at_every_level(small: Checkpoint, small_onnx: Path) -> None:
    record = read_contract(small_onnx).to_object()
    # These two are free mappings, in which no key is a field.
    for open_ in (record["architecture"]["arguments"], record["tools"]):
        open_.clear()
    wide = extended(record)
    wide["architecture"]["arguments"], wide["tools"] = {}, {}
    for golden in wide["golden"]:
        golden["outputs"].pop("later")
    again = Contract.from_object(signed(wide), where="here")
    assert again.to_object() == signed(wide)
    assert again.but(license="mine").to_object()["inputs"] == wide["inputs"]


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
        entry.value = json.dumps(signed(record))
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
        checkpoint.load_checkpoint(tmp_path / "best.pth")
