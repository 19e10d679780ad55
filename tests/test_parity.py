"""These tests check that every runtime gives the same numbers, and that wrong ones cannot pass the parity check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_library
import pytest
from conftest import make_checkpoint, present

from fer_export import parity
from fer_export.contract import Contract, Output, Parity, WeightsDType
from fer_export.convert import detector, onnx, tfjs
from fer_export.errors import ParityError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import load_tfjs, write_tfjs
from fer_export.models import mtcnn
from fer_export.parity import samples
from fer_export.parity.samples import Batch
from fer_export.runtimes import Inputs, Runtime, count, rows
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime

TOLERANCE = 1e-4


def batches_of(contract: Contract) -> list[Batch]:
    """One picture, then five, of each size."""
    whole = [batch for batch in samples.samples_for(contract) if len(batch.names) > 1]
    return [Batch(batch.names[:size], rows(batch.inputs, slice(size))) for batch in whole for size in (1, 5)]


Case = tuple[TorchRuntime, Path]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """A model by name: its reference and its ONNX file, exported once."""
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            if name in mtcnn.STAGES:
                module, contract = mtcnn.stage(name), detector.contract_for(name)
            else:
                size, channels = (96, 3) if name == "resnet18" else (48, 1)
                loaded = make_checkpoint(name, size, channels)
                module, contract = loaded.module(), loaded.contract
            path = tmp_path_factory.mktemp("parity") / f"{name}.onnx"
            onnx.export(module, contract, path)
            made[name] = TorchRuntime(module, contract), path
        return made[name]

    return get


@pytest.mark.parametrize("name", ["fernet", "face_emotion_cnn", "resnet18", *mtcnn.STAGES])
def test_onnxruntime_computes_what_torch_does(case: Callable[[str], Case], name: str) -> None:
    reference, path = case(name)
    figures = parity.measure_parity(reference, OnnxRuntime(path), batches_of(reference.contract), reference.contract)
    assert max(figure.max_abs for figure in figures) <= TOLERANCE
    parity.gate(figures)


@pytest.mark.parametrize("backend", ["wasm", "webgl"])
@pytest.mark.parametrize("name", ["fernet", "face_emotion_cnn", "resnet18", *mtcnn.STAGES])
def test_tfjs_computes_what_torch_does(
    case: Callable[[str], Case], browser: Browser, tmp_path: Path, name: str, backend: str
) -> None:
    reference, path = case(name)
    model, contract = load_onnx(path)
    graph = tfjs.convert(model)
    assert graph.operators()["Transpose"] == 0
    write_tfjs(graph, contract, tmp_path, "float32")
    with browser.open(tmp_path, backend) as runtime:
        figures = parity.measure_parity(reference, runtime, batches_of(contract), contract)
    assert max(figure.max_abs for figure in figures) <= TOLERANCE
    parity.gate(figures)


@pytest.mark.parametrize("weights", ["float16", "uint8"])
def test_smaller_weights_stay_near(small_onnx: Path, browser: Browser, tmp_path: Path, weights: str) -> None:
    model, contract = load_onnx(small_onnx)
    full = tfjs.export(model, contract, tmp_path / "full", browser=browser)
    reduced = tfjs.export(model, contract, tmp_path / weights, browser=browser, weights=weights)  # type: ignore[arg-type]
    shards = {folder: sum(f.stat().st_size for f in (tmp_path / folder).glob("*.bin")) for folder in ("full", weights)}
    assert shards[weights] < shards["full"] * (0.6 if weights == "float16" else 0.4)
    assert reduced.contract.weights_dtype == weights
    assert max(f.max_abs for f in reduced.figures) > max(f.max_abs for f in full.figures)


@pytest.mark.parametrize("opset", [18, 20, 21])
def test_the_opset_is_the_one_asked_for(small: checkpoint.Checkpoint, tmp_path: Path, opset: int) -> None:
    exported = onnx.export(small.module(), small.contract, tmp_path / "fer.onnx", opset=opset)
    model = onnx_library.load(exported.path)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [opset]


def test_an_opset_that_the_exporter_does_not_write_fails(small: checkpoint.Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="opset 15 was asked for"):
        onnx.export(small.module(), small.contract, tmp_path / "fer.onnx", opset=15)
    assert not list(tmp_path.iterdir())


def test_fixed_batch(small: checkpoint.Checkpoint, tmp_path: Path, browser: Browser) -> None:
    exported = onnx.export(small.module(), small.contract, tmp_path / "fer.onnx", batch=4)
    model, contract = load_onnx(exported.path)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    tfjs.export(model, contract, tmp_path / "model", browser=browser)


def test_batch_norm_is_folded(small_onnx: Path) -> None:
    operators = {node.op_type for node in onnx_library.load(small_onnx).graph.node}
    assert "BatchNormalization" not in operators


class Spoiled:
    """A runtime that changes another one's answers."""

    name = "spoiled"

    def __init__(self, runtime: Runtime, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
        self.runtime, self.change = runtime, change

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        return self.change(dict(self.runtime(inputs)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: {**a, "logits": a["logits"] + 2e-4}, "differs from its reference"),
        (lambda a: {"logits": a["probabilities"], "probabilities": a["logits"]}, "differs from its reference"),
        (lambda a: {**a, "logits": a["logits"][:, ::-1]}, "top-1 agreement"),
        (lambda a: {**a, "logits": a["logits"] * np.nan}, "not finite"),
        (lambda a: {**a, "logits": a["logits"][:, :3]}, "shape"),
        (lambda a: {"logits": a["logits"]}, "no output probabilities"),
    ],
)
def test_the_gate_stops(small: checkpoint.Checkpoint, change: Callable[..., dict[str, np.ndarray]], says: str) -> None:
    reference = TorchRuntime(small.module(), small.contract)
    with pytest.raises(ParityError, match=says):
        parity.gate(
            parity.measure_parity(reference, Spoiled(reference, change), batches_of(small.contract), small.contract)
        )


def answering(*logits: float) -> Runtime:
    """A runtime that answers the same for every picture."""

    class Fixed:
        name = "fixed"

        def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
            return {"values": np.tile(np.array(logits, np.float32), (count(inputs), 1))}

    return Fixed()


@pytest.mark.parametrize(
    ("weights", "largest", "limit"),
    [
        ("float32", 0.5, 1e-4),
        ("float32", 1.0, 1e-4),
        ("float32", 1000.0, 0.1),
        ("float16", 1.0, 1e-2),
        ("float16", 30.0, 0.3),
        ("uint8", 1.0, 0.2),
        ("uint8", 10.0, 0.2),
        ("uint8", 1000.0, 20.0),
    ],
)
def test_the_limit_is_absolute_for_small_values_and_a_share_of_large_ones(
    small: checkpoint.Checkpoint, weights: WeightsDType, largest: float, limit: float
) -> None:
    outputs = (Output(name="values", shape=(2,), meaning="two"),)
    contract = small.contract.but(weights_dtype=weights, labels=(), outputs=outputs)
    batches = batches_of(small.contract)
    # Only the smaller value differs, and it is compared with the limit of the whole output.
    for apart, holds in ((0.9 * limit, True), (1.1 * limit, False)):
        reference, other = answering(-largest, 0.0), answering(-largest, apart)
        (figures,) = parity.measure_parity(reference, other, batches, contract)
        assert figures.limit == pytest.approx(limit)
        assert figures.ok is holds
        record = figures.record()
        assert record.tolerance * record.scale == pytest.approx(limit)
    # A tolerance that is asked for is scaled too. The scale comes from the reference, never from the runtime's answer.
    assert parity.measure_parity(reference, other, batches, contract, 1e-12)[0].ok is False
    assert parity.measure_parity(reference, answering(-largest, 1e9), batches, contract)[0].limit == pytest.approx(
        limit
    )


def test_an_endless_reference_allows_nothing(small: checkpoint.Checkpoint) -> None:
    contract = small.contract.but(labels=(), outputs=(Output(name="values", shape=(2,), meaning="two"),))
    with pytest.raises(ParityError, match="not finite"):
        parity.measure_parity(answering(np.inf, 0), answering(5, 0), batches_of(small.contract), contract)


@pytest.fixture(scope="module")
def loud() -> checkpoint.Checkpoint:
    """A net whose logits are in the thousands."""
    small = make_checkpoint(widths=(8, 16, 24))
    quiet = TorchRuntime(small.module(), small.contract)(batches_of(small.contract)[1].inputs)["logits"]
    factor = 3000 / np.abs(quiet).max()
    state = {name: value * factor if name.startswith("head.") else value for name, value in small.state.items()}
    return checkpoint.Checkpoint(small.contract.but(weights_sha256=checkpoint.weights_sha256(state)), state)


def test_large_logits_are_held_to_their_own_scale(loud: checkpoint.Checkpoint, tmp_path: Path) -> None:
    exported = onnx.export(loud.module(), loud.contract, tmp_path / "loud.onnx")
    probabilities, logits = exported.figures
    assert 1e3 < logits.scale < 1e4
    # float32 rounds numbers of this size by more than the tolerance.
    assert logits.max_abs > TOLERANCE
    assert probabilities.limit == TOLERANCE
    record = next(each for each in load_onnx(tmp_path / "loud.onnx")[1].parity if each.output == "logits")
    assert (record.tolerance, record.scale) == (TOLERANCE, pytest.approx(logits.scale, rel=0.01))
    assert record.max_abs < record.tolerance * record.scale


@pytest.mark.parametrize("name", ["stem.0.0.weight", "stages.2.shortcut.0.weight", "head.weight"])
def test_one_wrong_weight_is_seen_in_large_logits(loud: checkpoint.Checkpoint, name: str) -> None:
    value = loud.state[name]
    # One of middling size, a tenth too large.
    wrong, order = value.clone().flatten(), value.abs().flatten().argsort()
    wrong[order[len(order) // 2]] *= 1.1
    module = checkpoint.Checkpoint(loud.contract, {**loud.state, name: wrong.view_as(value)}).module()
    right, planted = TorchRuntime(loud.module(), loud.contract), TorchRuntime(module, loud.contract)
    batches = batches_of(loud.contract)[1:]
    with pytest.raises(ParityError, match="output logits"):
        parity.gate(parity.measure_parity(right, planted, batches, loud.contract))
    # The softmax of such logits is full: it alone would let the weight through.
    figures = parity.measure_parity(right, planted, batches, loud.contract)
    parity.gate([figure for figure in figures if figure.output == "probabilities"])


def test_records_from_before_the_scale_are_read() -> None:
    old = {"runtime": "tfjs-wasm", "reference": "torch", "output": "logits", "max_abs": 2e-6, "rmse": 1e-6,
           "cosine": 1.0, "top1": 1.0, "samples": 13, "tolerance": 1e-4}  # fmt: skip
    assert Parity.model_validate(old).scale == 1.0


def test_nothing_compared_is_no_success() -> None:
    with pytest.raises(ParityError, match="nothing was compared"):
        parity.gate([])


def test_a_planted_wrong_weight_stops_the_tfjs_hop(
    small_onnx: Path, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, contract = load_onnx(small_onnx)
    good = tmp_path / "model"
    tfjs.export(model, contract, good, browser=browser)
    before = {file.name: file.read_bytes() for file in good.iterdir()}

    def convert_wrongly(model: onnx_library.ModelProto, **how: Any) -> object:
        graph = real(model, **how)
        name = max(graph.constants, key=lambda name: graph.constants[name].size)
        graph.constants[name] = graph.constants[name].transpose(1, 0, 2, 3).copy()
        return graph

    real = tfjs.convert
    monkeypatch.setattr(tfjs, "convert", convert_wrongly)
    with pytest.raises(ParityError, match="differs"):
        tfjs.export(model, contract, good, browser=browser)
    assert {file.name: file.read_bytes() for file in good.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"], "no temporary folder is left"


def test_a_planted_wrong_weight_stops_the_onnx_hop(
    small: checkpoint.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_wrongly(*args: object, **kwargs: object) -> onnx_library.ModelProto:
        model = real(*args, **kwargs)  # type: ignore[arg-type]
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        array = onnx_library.numpy_helper.to_array(tensor) * np.float32(1.01)
        tensor.CopyFrom(onnx_library.numpy_helper.from_array(array, tensor.name))
        return model

    real = onnx.to_onnx
    monkeypatch.setattr(onnx, "to_onnx", export_wrongly)
    with pytest.raises(ParityError):
        onnx.export(small.module(), small.contract, tmp_path / "fer.onnx")
    assert not list(tmp_path.iterdir())


def test_the_pictures_are_faces_and_hard_cases(small: checkpoint.Checkpoint) -> None:
    whole, alone = samples.samples_for(small.contract)
    assert len(whole.names) == len(set(whole.names)) == len(whole.single) == 12
    assert alone.single.shape == (1, 48, 48, 1)
    faces = whole.single[:8].astype(float)
    assert all(np.abs(a - b).mean() > 5 for i, a in enumerate(faces) for b in faces[:i])


def test_real_faces_on_onnxruntime(small: checkpoint.Checkpoint, small_onnx: Path) -> None:
    csv = present("data/fer2013.csv.xz")
    batches = samples.fer2013_samples(small.contract, csv, "PublicTest", 40)
    assert sum(len(batch.names) for batch in batches) == 40
    reference = TorchRuntime(small.module(), small.contract)
    parity.gate(parity.measure_parity(reference, OnnxRuntime(small_onnx), batches, small.contract))


def test_the_figures_name_the_worst_picture(small: checkpoint.Checkpoint) -> None:
    reference = TorchRuntime(small.module(), small.contract)
    batch = batches_of(small.contract)[1]

    def change(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits = answers["logits"].copy()
        logits[3, 0] += 0.5
        return {**answers, "logits": logits}

    figures = parity.measure_parity(reference, Spoiled(reference, change), [batch], small.contract)
    logits = next(figure for figure in figures if figure.output == "logits")
    assert logits.worst == batch.names[3]
    assert logits.max_abs == pytest.approx(0.5, abs=1e-6)
    assert logits.rmse == pytest.approx(0.5 / np.sqrt(5 * 8), rel=1e-4)
    assert not replace(logits, max_abs=float("nan")).ok


def test_the_detector_comes_into_place_as_a_whole(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    stages = detector.export_detector(tmp_path / "tfjs", tmp_path / "onnx", started=said.append)
    assert said == [stage.name for stage in stages] == list(mtcnn.STAGES)
    for stage in stages:
        _, contract = load_tfjs(tmp_path / "tfjs" / stage.name)
        assert contract.cascade is not None
        assert contract.cascade.stage == stage.name
        assert contract.golden
        assert {record.reference for record in contract.parity} == {"onnxruntime"}
    assert load_tfjs(tmp_path / "tfjs" / "pnet")[0]["signature"]["inputs"]["pixels"]["tensorShape"]["dim"][1:3] == [
        {"size": "-1"},
        {"size": "-1"},
    ]
    before = sorted(path.name for path in (tmp_path / "tfjs").rglob("*"))

    class Broken(Browser):
        """A browser that fails at the second net."""

        def open(self, directory: Path, backend: str) -> object:  # type: ignore[override]
            if "rnet" in directory.name:
                raise ParityError("no more")
            return browser.open(directory, backend)

        tfjs_version = "0"  # type: ignore[assignment]

    monkeypatch.setattr(detector, "Browser", Broken)
    with pytest.raises(ParityError, match="no more"):
        detector.export_detector(tmp_path / "tfjs", tmp_path / "onnx")
    assert sorted(path.name for path in (tmp_path / "tfjs").rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["onnx", "tfjs"]
