"""These tests check that contract 1 is read in every format, and newer or edited files are refused with the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_files import CONTRACT1, FORMATS, read_record, write_record

from fer_export.contract import TOLERANCES, Contract, canonical
from fer_export.errors import ContractError
from fer_export.formats import checkpoint
from fer_export.formats.artefact import read_contract
from fer_export.importing import assemble
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

Call = Callable[..., tuple[int, str, str]]

EVERY = (
    *FORMATS, "fixed.onnx", "fixed.pb", "fixed.tflite", "pair.onnx", "saved_model_fixed", "saved_model_onnx2tf",
    "tensorflowjs", "tfjs_fixed", "tfjs_pair",
)  # fmt: skip
#: The hop and the converter of each, as its name says.
MADE_BY = {
    "tiny.safetensors": None, "tiny.pth": None, "tiny.onnx": ("onnx", None), "pair.onnx": ("onnx", None),
    "fixed.onnx": ("onnx", None), "tfjs": ("tfjs", "direct"), "tfjs_fixed": ("tfjs", "direct"),
    "tfjs_pair": ("tfjs", "direct"), "tensorflowjs": ("tensorflowjs", "direct"),
    "saved_model": ("saved_model", "direct"), "saved_model_fixed": ("saved_model", "direct"),
    "saved_model_onnx2tf": ("saved_model", "onnx2tf"), "tiny.pb": ("frozen", "direct"),
    "fixed.pb": ("frozen", "direct"), "tiny.tflite": ("litert", "direct"), "fixed.tflite": ("litert", "direct"),
}  # fmt: skip


def copied(name: str, folder: Path) -> Path:
    """A copy of a file or folder of contract 1, to be changed."""
    path = folder / name
    if (CONTRACT1 / name).is_dir():
        shutil.copytree(CONTRACT1 / name, path)
    else:
        for source in CONTRACT1.glob(f"{name}*"):
            shutil.copy(source, folder)
    return path


def expected(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs as ONNX has them, and what onnxruntime answered when the files were made."""
    record = json.loads((CONTRACT1 / "answers.json").read_text())[name]
    kinds = {"ids": np.int64}
    inputs = {key: np.array(value, kinds.get(key, np.float32)) for key, value in record["inputs"].items()}
    return inputs, {key: np.array(value, np.float32) for key, value in record["outputs"].items()}


def fed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One row of each input as runtimes take it: channels last."""
    return {name: np.moveaxis(value, 1, -1) if value.ndim > 2 else value for name, value in inputs.items()}


# Contract 1


@pytest.mark.parametrize("name", EVERY)
def test_a_file_of_contract_1_is_read(name: str) -> None:
    old = read_record(CONTRACT1 / name)
    assert old["version"] == 1
    contract = read_contract(CONTRACT1 / name)
    assert contract.version == 2
    made = contract.conversion
    assert (made and (made.hop, made.converter)) == MADE_BY[name]
    assert contract.tolerance == TOLERANCES[old["weights_dtype"]]
    for kept in ("labels", "license", "weights_sha256", "graph_sha256", "weights_dtype"):
        assert getattr(contract, kept) == (tuple(old[kept]) if kept == "labels" else old[kept])
    assert len(contract.golden) == len(old["golden"])
    assert len(contract.parity) == len(old["parity"])
    assert Contract.from_json(contract.to_json(), where="here") == contract, "what it becomes is a contract 2"


@pytest.mark.parametrize("name", ["tiny.onnx", "tfjs"])
def test_its_input_and_normalisation_become_one(name: str) -> None:
    contract = read_contract(CONTRACT1 / name)
    (picture,) = contract.inputs
    assert picture == contract.picture
    assert (picture.name, picture.axes, picture.color) == ("pixels", (1, 8, 8), "gray")
    assert (picture.normalization.mean, picture.normalization.std) == ((127.5,), (63.75,))
    assert not (contract.model_extra or picture.model_extra)


@pytest.mark.parametrize("name", ["pair.onnx", "tfjs_pair"])
def test_its_further_inputs_follow(name: str) -> None:
    face, points, ids = read_contract(CONTRACT1 / name).inputs
    assert (face.kind, face.name, face.axes) == ("picture", "face", (3, 8, 8))
    assert (points.kind, points.name, points.axes, points.dtype, points.range) == (
        "values", "points", (5,), "float32", (-2.0, 2.0),
    )  # fmt: skip
    assert (ids.kind, ids.name, ids.axes, ids.dtype, ids.range) == ("values", "ids", (4,), "int64", (0.0, 9.0))


def test_a_batch_that_contract_1_did_not_tell_is_the_graphs() -> None:
    found = {name: read_contract(CONTRACT1 / name).batch for name in ("fixed.onnx", "tfjs_fixed", "tiny.onnx", "tfjs")}
    assert found == {"fixed.onnx": 4, "tfjs_fixed": 4, "tiny.onnx": "dynamic", "tfjs": "dynamic"}


def test_passes_that_were_left_out_are_no_free_text_any_more() -> None:
    contract = read_contract(CONTRACT1 / "tfjs")
    assert contract.conversion is not None
    assert contract.conversion.without == ("fold_pads",)
    assert not [name for name in contract.tools if " " in name]


def test_only_drawn_faces_are_synthetic() -> None:
    """A training on a few real pictures was `for trying out` too."""
    found = {name: read_contract(CONTRACT1 / name).training for name in ("tiny.pth", "tiny.safetensors")}
    assert all("for trying out" in training.note for training in found.values())
    assert {name: training.synthetic for name, training in found.items()} == {
        "tiny.pth": True, "tiny.safetensors": False,
    }  # fmt: skip


def test_info_says_how_a_file_was_made_and_that_its_faces_were_drawn(cli: Call) -> None:
    told = cli("info", CONTRACT1 / "tfjs")[1]
    assert "the hop tfjs, converter direct, without fold_pads" in told
    assert "drawn by a program" not in told
    assert "drawn by a program" in cli("info", CONTRACT1 / "tiny.pth")[1]


def test_an_early_contract_1_lacks_what_it_got_later() -> None:
    contract = Contract.from_json((CONTRACT1 / "ferplus.json").read_text(), where="ferplus.json")
    assert contract.picture.normalization.mean == (129.4,)
    assert contract.calibration is not None
    assert contract.training is not None
    assert not contract.training.synthetic


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"input": None}, "not valid"),
        ({"input": {}}, "color: it is missing"),
        ({"more_inputs": 3}, "not valid"),
        ({"training": {}}, "data: it is missing"),
        ({"weights_dtype": "int4"}, "weights_dtype"),
        ({"labels": ["a", "a", "b"]}, "labels repeat"),
    ],
)
def test_a_broken_contract_1_is_refused(change: dict[str, object], says: str) -> None:
    record = {**read_record(CONTRACT1 / "tiny.onnx"), **change}
    with pytest.raises(ContractError, match=says):
        Contract.from_object(record, where="test")


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.pth"])
def test_a_checkpoint_of_contract_1_computes(name: str) -> None:
    loaded = checkpoint.load_checkpoint(CONTRACT1 / name)
    made, net = assemble.rebuild(CONTRACT1 / name, f"{CONTRACT1 / 'tiny.py'}:Tiny", loaded.contract)
    inputs, outputs = expected("tiny")
    with torch.inference_mode():
        answers = made.module(net)(torch.from_numpy(inputs["pixels"]))
    for output, answer in zip(loaded.contract.outputs, answers, strict=True):
        np.testing.assert_allclose(answer, outputs[output.name], atol=1e-6)


@pytest.mark.parametrize("name", ["tiny", "pair"])
def test_an_onnx_file_of_contract_1_computes(name: str) -> None:
    inputs, outputs = expected(name)
    answers = OnnxRuntime(CONTRACT1 / f"{name}.onnx")(fed(inputs))
    for output in read_contract(CONTRACT1 / f"{name}.onnx").outputs:
        np.testing.assert_allclose(answers[output.name], outputs[output.name], atol=1e-6)


@pytest.mark.parametrize(("folder", "name"), [("tfjs", "tiny"), ("tfjs_pair", "pair"), ("tensorflowjs", "tiny")])
def test_a_tfjs_model_of_contract_1_computes(browser: Browser, folder: str, name: str) -> None:
    inputs, outputs = expected(name)
    with browser.open(CONTRACT1 / folder, "wasm") as runtime:
        answers = runtime(fed(inputs))
    for output in read_contract(CONTRACT1 / folder).outputs:
        np.testing.assert_allclose(answers[output.name], outputs[output.name], atol=1e-6)


# Later versions, and edits


@pytest.mark.parametrize("name", FORMATS)
def test_a_newer_contract_is_one_line_and_exit_4(name: str, tmp_path: Path, cli: Call) -> None:
    """Whatever else is in it: its version is read before anything else."""
    path = copied(name, tmp_path)
    write_record(path, {"version": 3, "everything": "else"})
    code, out, err = cli("info", path)
    assert (code, out) == (4, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert error.endswith(": written by a newer fer-export (contract 3): update")
    assert hint == "hint: pip install --upgrade fer-export"


def upgraded(path: Path) -> dict[str, Any]:
    """Put a contract 2 into a file of contract 1, and return it."""
    record = read_contract(path).to_object()
    write_record(path, record)
    return record


@pytest.mark.parametrize("name", FORMATS)
def test_edited_labels_are_noticed(name: str, tmp_path: Path, cli: Call) -> None:
    path = copied(name, tmp_path)
    record = upgraded(path)
    assert cli("info", path)[0] == 0
    write_record(path, {**record, "labels": list(reversed(record["labels"]))})
    code, _, err = cli("info", path)
    assert code == 4
    assert "the contract was edited after it was written" in err


@pytest.mark.parametrize("name", ["tiny.onnx", "tfjs"])
def test_a_batch_that_is_not_the_graphs_is_refused(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    record = {**upgraded(path), "batch": 4}
    write_record(path, {**record, "sha256": canonical.sha256(record)})
    with pytest.raises(ContractError, match="the batch of the graph is dynamic, the contract says 4"):
        read_contract(path)
