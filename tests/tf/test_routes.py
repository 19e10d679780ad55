"""These tests check that every route to TensorFlow computes what torch does, and that any two can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_checkpoint

from fer_export.cli.verify import main as verify
from fer_export.convert import detector, litert, onnx, saved_model, tensorflowjs
from fer_export.convert.opset15 import made_again, to_opset15
from fer_export.errors import ContractError, InvalidInputError, ParityError
from fer_export.formats import artefact, checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.frozen import frozen_contract_path, load_frozen
from fer_export.formats.litert import load_litert
from fer_export.formats.onnx import load_onnx
from fer_export.formats.saved_model import load_saved_model
from fer_export.formats.tfjs import load_tfjs
from fer_export.models import mtcnn
from fer_export.parity import Figures, comparing, samples
from fer_export.runtimes import Inputs, Outputs
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.registry import names
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker
from tf.conftest import files

TOLERANCE = 1e-4
Get = Callable[[str], Path]


def close(figures: list[Figures], runtimes: set[str]) -> None:
    """These runtimes were measured, and all of them hold."""
    assert {figure.runtime for figure in figures} == runtimes
    assert max(figure.max_abs for figure in figures) <= TOLERANCE


@pytest.fixture(scope="session")
def onnx_of(tmp_path_factory: pytest.TempPathFactory, small_onnx: Path) -> Get:
    """An ONNX file by the model's name."""
    made = {"small": small_onnx}

    def get(name: str) -> Path:
        if name not in made:
            path = made[name] = tmp_path_factory.mktemp("onnx") / f"{name}.onnx"
            if name in mtcnn.STAGES:
                onnx.export(mtcnn.stage(name), detector.contract_for(name), path)
            else:
                loaded = make_checkpoint(name, 64, 3)
                onnx.export(loaded.module(), loaded.contract, path)
        return made[name]

    return get


@dataclass(frozen=True)
class Made:
    """What the small model became."""

    onnx: Path
    saved: Path
    frozen: Path
    tflite: Path
    official: Path


@pytest.fixture(scope="session")
def made(worker: Worker, small_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The small model by the direct route, and on from there."""
    folder = tmp_path_factory.mktemp("made")
    saved, frozen = folder / "saved_model", folder / "fer.pb"
    written = saved_model.export(*load_onnx(small_onnx), saved, worker=worker, frozen=frozen)
    close(written.figures, {"tensorflow", "tf-frozen"})
    close(litert.export(saved, folder / "fer.tflite", worker=worker).figures, {"litert"})
    with Browser() as browser:
        official = tensorflowjs.export(saved, folder / "official", worker=worker, browser=browser)
    close(official.figures, {"tfjs-wasm"})
    return Made(small_onnx, saved, frozen, folder / "fer.tflite", folder / "official")


def test_the_contract_travels_in_every_artefact(made: Made, small: Checkpoint) -> None:
    inside = json.loads((made.saved / "assets" / "contract.json").read_text())
    assert inside["labels"] == list(small.contract.labels)
    for path in (made.saved, made.frozen, made.tflite, made.official):
        contract = artefact.read_contract(path)
        assert contract.weights_sha256 == small.contract.weights_sha256
        assert contract.parity
        assert contract.golden
        assert contract.tools["tensorflow"] == "2.19.0"
    assert "tensorflowjs" in artefact.read_contract(made.official).tools
    assert "ai-edge-litert" in artefact.read_contract(made.tflite).tools


def test_the_official_model_is_signed_with_the_outputs_names(made: Made) -> None:
    document, _ = load_tfjs(made.official)
    assert set(document["signature"]["outputs"]) == {"probabilities", "logits"}
    assert set(document["signature"]["inputs"]) == {"pixels"}


def test_any_two_roads_are_compared(made: Made) -> None:
    batches = samples.samples_for(artefact.read_contract(made.onnx))
    for reference in (made.tflite, made.official):
        figures = comparing.compare(
            comparing.artefact_reference(reference, title=reference.name),
            [
                comparing.Turn(path, names(artefact.kind(path))[0], path.name)
                for path in (made.onnx, made.saved, made.frozen, made.tflite, made.official)
            ],
            batches,
        )
        assert len(figures) == 10
        assert max(figure.max_abs for figure in figures) <= TOLERANCE
        assert {figure.reference for figure in figures} == {
            "litert fer.tflite" if reference == made.tflite else "tfjs-wasm official"
        }


def test_verify_takes_any_artefacts(made: Made, small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "small.pth")
    places = [made.saved, made.frozen, made.tflite, made.onnx]
    arguments = [*map(str, places), "--ckpt", str(tmp_path / "small.pth")]
    result = CliRunner().invoke(verify, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {record["runtime"] for record in document["parity"]} == {
        "tensorflow saved_model",
        "tf-frozen fer.pb",
        "litert fer.tflite",
        "onnxruntime fer.onnx",
    }
    assert {record["reference"] for record in document["parity"]} == {"torch small.pth"}
    result = CliRunner().invoke(verify, [*arguments, "--tolerance", "1e-12"])
    assert result.exit_code == 1
    assert "differs from its reference" in result.stderr


def test_models_of_a_fixed_batch_are_compared(worker: Worker, made: Made, tmp_path: Path) -> None:
    # Its flattening is written for the batch: none of these takes another.
    loaded = make_checkpoint("face_emotion_cnn")
    checkpoint.save(loaded, tmp_path / "x.pth")
    first, frozen, saved, tflite = (tmp_path / name for name in ("x.onnx", "x.pb", "saved", "x.tflite"))
    onnx.export(loaded.module(), loaded.contract, first, batch=4)
    saved_model.export(*load_onnx(first), saved, worker=worker, frozen=frozen)
    litert.export(saved, tflite, worker=worker)
    paths = [first, frozen, saved, tflite]
    assert [artefact.read_contract(path).batch for path in paths] == [4] * 4
    free = (made.onnx, made.frozen, made.saved, made.tflite, made.official)
    assert {artefact.read_contract(path).batch for path in free} == {"dynamic"}
    batches = samples.samples_for(loaded.contract)
    figures = comparing.compare(comparing.artefact_reference(tmp_path / "x.pth"), comparing.turns(paths), batches)
    close(figures, {"onnxruntime x.onnx", "tf-frozen x.pb", "tensorflow saved", "litert x.tflite"})
    assert {figure.samples for figure in figures} == {13}


def test_verify_refuses_other_weights(made: Made) -> None:
    result = CliRunner().invoke(verify, [str(made.saved)])
    assert result.exit_code == 4
    assert "no checkpoint of the weights of" in result.stderr
    assert "--ckpt FILE" in result.stderr


def test_against_wants_paths(made: Made) -> None:
    result = CliRunner().invoke(verify, ["--against", str(made.saved)])
    assert result.exit_code == 2
    assert "--against wants PATHS" in result.stderr


# P-Net has a free size, ceil-mode pools and Prelu, O-Net Prelu after a flatten; ResNet-18 padded pools.
@pytest.mark.parametrize("name", ["pnet", "onet", "torchvision:resnet18"])
def test_direct(worker: Worker, onnx_of: Get, tmp_path: Path, name: str) -> None:
    written = saved_model.export(*load_onnx(onnx_of(name)), tmp_path / "saved", worker=worker, frozen=tmp_path / "x.pb")
    close(written.figures, {"tensorflow", "tf-frozen"})
    if name == "pnet":
        close(litert.export(tmp_path / "saved", tmp_path / "pnet.tflite", worker=worker).figures, {"litert"})


@pytest.mark.parametrize("name", ["small", "pnet", "onet"])
def test_onnx2tf(worker: Worker, onnx_of: Get, tmp_path: Path, name: str) -> None:
    written = saved_model.export(
        *load_onnx(onnx_of(name)), tmp_path / "saved", worker=worker, converter="onnx2tf", frozen=tmp_path / "x.pb"
    )
    close(written.figures, {"tensorflow", "tf-frozen"})
    assert written.contract.tools["onnx2tf"] == "1.28.8"


@pytest.mark.parametrize("name", ["small", "onet"])
def test_onnx_tf(older: Worker, small: Checkpoint, onnx_of: Get, tmp_path: Path, name: str) -> None:
    model, contract = load_onnx(onnx_of(name))
    opset15 = made_again(small, contract) if name == "small" else to_opset15(mtcnn.stage(name), contract)
    written = saved_model.export(
        model,
        contract,
        tmp_path / "saved",
        worker=older,
        converter="onnx-tf",
        frozen=tmp_path / "x.pb",
        opset15=opset15,
    )
    close(written.figures, {"tensorflow", "tf-frozen"})
    assert written.contract.tools["onnx-tf"] == "1.10.0"
    assert written.contract.tools["tensorflow"] == "2.15.1"


def test_onnx_tf_wants_the_checkpoint_of_the_file(small_onnx: Path) -> None:
    with pytest.raises(ContractError, match="from another one") as error:
        made_again(make_checkpoint("simple_cnn"), load_onnx(small_onnx)[1])
    assert "--ckpt" in str(error.value.hint)


def test_hard_swish_reaches_the_browser_by_the_official_road(
    worker: Worker, browser: Browser, onnx_of: Get, tmp_path: Path
) -> None:
    model, contract = load_onnx(onnx_of("torchvision:mobilenet_v3_small"))
    saved_model.export(model, contract, tmp_path / "saved", worker=worker)
    written = tensorflowjs.export(
        tmp_path / "saved", tmp_path / "official", worker=worker, browser=browser, weights="float16"
    )
    assert not [name for name in written.operators if "HardSwish" in name]
    assert written.contract.weights_dtype == "float16"
    assert written.bytes < (tmp_path / "saved" / "saved_model.pb").stat().st_size * 0.7


def test_biases_of_zeros_reach_the_browser_by_the_official_road(
    worker: Worker, browser: Browser, tmp_path: Path
) -> None:
    loaded = make_checkpoint("face_emotion_cnn")
    state = {name: value * 0 if name.endswith("bias") else value for name, value in loaded.state.items()}
    loaded = Checkpoint(loaded.contract.but(weights_sha256=checkpoint.weights_sha256(state)), state)
    onnx.export(loaded.module(), loaded.contract, tmp_path / "zero.onnx")
    saved_model.export(*load_onnx(tmp_path / "zero.onnx"), tmp_path / "saved", worker=worker)
    written = tensorflowjs.export(tmp_path / "saved", tmp_path / "official", worker=worker, browser=browser)
    close(written.figures, {"tfjs-wasm"})


def test_a_failed_run_leaves_the_good_artefacts(
    worker: Worker, made: Made, small_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(OnnxRuntime):
        def __call__(self, inputs: Inputs) -> Outputs:
            return {name: values + np.float32(0.01) for name, values in super().__call__(inputs).items()}

    monkeypatch.setattr(saved_model, "OnnxRuntime", Wrong)
    before = files(made.saved.parent)
    with pytest.raises(ParityError, match=r"tensorflow differs from its reference"):
        saved_model.export(*load_onnx(small_onnx), made.saved, worker=worker, frozen=made.frozen)
    assert files(made.saved.parent) == before


def spoiled(path: Path, tmp_path: Path, *, keep: int | None = None, change: int | None = None) -> Path:
    """A copy of a file, cut after some bytes or with one byte changed."""
    data = bytearray(path.read_bytes()[:keep])
    if change is not None:
        data[change] ^= 255
    copy = tmp_path / path.name
    copy.write_bytes(data)
    return copy


def test_a_changed_saved_model_is_refused(made: Made, tmp_path: Path) -> None:
    for name, content in files(made.saved).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert load_saved_model(tmp_path)
    spoiled(tmp_path / "saved_model.pb", tmp_path, change=-100)
    with pytest.raises(ContractError, match="another graph"):
        load_saved_model(tmp_path)
    (tmp_path / "assets" / "contract.json").unlink()
    with pytest.raises(ContractError, match="carries no contract"):
        load_saved_model(tmp_path)


def test_a_changed_frozen_graph_is_refused(made: Made, tmp_path: Path) -> None:
    copy = spoiled(made.frozen, tmp_path, change=-100)
    with pytest.raises(ContractError, match="no contract beside it"):
        load_frozen(copy)
    beside = frozen_contract_path(made.frozen)
    frozen_contract_path(copy).write_bytes(beside.read_bytes())
    with pytest.raises(ContractError, match="another graph"):
        load_frozen(copy)


def test_a_changed_tflite_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="another model"):
        load_litert(spoiled(made.tflite, tmp_path, change=1000))
    with pytest.raises(ContractError, match="carries no contract"):
        load_litert(spoiled(made.tflite, tmp_path, keep=5000))
    with pytest.raises(InvalidInputError, match=r"not a \.tflite"):
        load_litert(spoiled(made.tflite, tmp_path, keep=3))
