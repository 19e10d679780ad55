"""These tests check the contract on TensorFlow's routes: old files run, and no unknown field is lost on any hop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from contract_files import CONTRACT1, read_record, write_record
from test_contract import extended, signed
from test_contract_versions import copied, expected, fed

from fer_export.contract import Contract, canonical
from fer_export.convert import litert, saved_model, tensorflowjs
from fer_export.formats.artefact import read_contract
from fer_export.formats.onnx import load_onnx
from fer_export.runtimes.registry import Resources, open_runtime
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker


@pytest.mark.parametrize(
    "name",
    ["saved_model", "saved_model_onnx2tf", "saved_model_fixed", "tiny.pb", "fixed.pb", "tiny.tflite", "fixed.tflite"],
)
def test_a_file_of_contract_1_computes(worker: Worker, name: str) -> None:
    """Of any number of pictures: contract 1 did not tell a batch of four, so TensorFlow does."""
    inputs, outputs = expected("tiny")
    pixels = fed(inputs)["pixels"]
    both = {"pixels": np.concatenate([pixels, pixels[:, ::-1]])}
    with Resources(worker=worker) as resources, open_runtime(CONTRACT1 / name, resources) as runtime:
        answers = runtime(both)
    for output in read_contract(CONTRACT1 / name).outputs:
        np.testing.assert_allclose(answers[output.name][:1], outputs[output.name], atol=1e-6)
        assert len(answers[output.name]) == 2


@pytest.fixture(scope="module", params=["tiny.onnx", "fixed.onnx"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file of a free batch, and one of four, with fields in its contract that nobody knows."""
    path = copied(request.param, tmp_path_factory.mktemp("source"))
    record = read_contract(path).to_object()
    record |= {"later": 1, "inputs": extended(record["inputs"]), "training": extended(record["training"])}
    write_record(path, signed(record))
    return path


@pytest.fixture(scope="module")
def made(source: Path, worker: Worker, browser: Browser) -> dict[str, Path]:
    """What each hop makes of it."""
    folder = source.parent
    paths = {hop: folder / name for hop, name in (
        ("saved_model", "direct"), ("frozen", "direct.pb"), ("onnx2tf", "onnx2tf"),
        ("litert", "x.tflite"), ("tensorflowjs", "official"),
    )}  # fmt: skip
    loaded = load_onnx(source)
    saved_model.export(*loaded, paths["saved_model"], worker=worker, frozen=paths["frozen"])
    saved_model.export(*loaded, paths["onnx2tf"], worker=worker, converter="onnx2tf")
    litert.export(paths["onnx2tf"], paths["litert"], worker=worker)
    tensorflowjs.export(paths["saved_model"], paths["tensorflowjs"], worker=worker, browser=browser)
    return paths


@pytest.mark.parametrize(
    ("name", "hop", "converter"),
    [("saved_model", "saved_model", "direct"), ("frozen", "frozen", "direct"), ("onnx2tf", "saved_model", "onnx2tf"),
     ("litert", "litert", "onnx2tf"), ("tensorflowjs", "tensorflowjs", "direct")],
)  # fmt: skip
def test_each_hop_writes_its_own(made: dict[str, Path], source: Path, name: str, hop: str, converter: str) -> None:
    contract = read_contract(made[name])
    assert contract.conversion is not None
    assert (contract.conversion.hop, contract.conversion.converter) == (hop, converter)
    assert contract.batch == (4 if source.name == "fixed.onnx" else "dynamic")
    assert contract.fixed_batch == (4 if source.name == "fixed.onnx" else None)


@pytest.mark.parametrize("name", ["saved_model", "frozen", "onnx2tf", "litert", "tensorflowjs"])
def test_each_hop_keeps_what_it_does_not_know(made: dict[str, Path], source: Path, name: str) -> None:
    record, before = read_record(made[name]), read_record(source)
    for kept in ("later", "inputs", "training"):
        assert record[kept] == before[kept]
    assert record["sha256"] == canonical.sha256(record)
    assert Contract.from_object(record, where="here").to_object() == record
