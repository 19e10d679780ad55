"""These tests check that no TensorFlow route reports success on wrong numbers, and the bisection names the operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import planted
import pytest
from click.testing import CliRunner, Result
from planted import ERRORS, PLACES

from fer_export.cli.main import main
from fer_export.convert import onnx, saved_model
from fer_export.diagnose import bisect
from fer_export.diagnose.bisect import reconvert
from fer_export.parity import comparing, samples
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker
from tf.conftest import files

Run = Callable[..., Result]
Wrong = Callable[[str], Path]
#: The file or folder of each route, and what the parity table calls its runtime.
ROUTES = {"saved": "tensorflow", "net.pb": "tf-frozen", "net.tflite": "litert", "official": "tfjs-wasm"}


@pytest.fixture(scope="module")
def run(browser: Browser, worker: Worker) -> Iterator[Run]:
    """`fer-export` in this process, with one browser and one TensorFlow for all."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    with planted.registered(), pytest.MonkeyPatch.context() as patch:
        for module in ("runtimes.tfjs", "diagnose.bisect.of_verify"):
            patch.setattr(f"fer_export.{module}.Browser", lambda: nullcontext(browser))
        for module in ("tfenv.worker", "diagnose.bisect.of_verify"):
            patch.setattr(f"fer_export.{module}.Worker", lambda name: nullcontext(worker))
        yield call


@pytest.fixture(scope="module")
def good(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the net's ONNX file and all that the routes make of it, each as its command writes it."""
    folder = tmp_path_factory.mktemp("good")
    loaded = planted.checkpoint()
    onnx.export(loaded.module(), loaded.contract, folder / "net.onnx")
    make(run, folder)
    return folder


def make(run: Run, folder: Path) -> None:
    """Everything from `net.onnx`."""
    saved = ("--from", folder / "saved")
    for arguments in (
        ("tf", "--from", folder / "net.onnx", "-o", folder / "saved", "--frozen", folder / "net.pb"),
        ("litert", *saved, "-o", folder / "net.tflite"),
        ("tfjs", "--via", "tensorflowjs", *saved, "-o", folder / "official"),
    ):
        result = run(*arguments)
        assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def wrong(run: Run, good: Path, tmp_path_factory: pytest.TempPathFactory) -> Wrong:
    """The same folder of a net with an error, whose contracts say, hashes and all, that it is the net."""
    made: dict[str, Path] = {}

    def get(error: str) -> Path:
        if error not in made:
            made[error] = tmp_path_factory.mktemp(error)
            planted.write(error, good / "net.onnx", made[error] / "net.onnx")
            make(run, made[error])
        return made[error]

    return get


def refused(result: Result, runtime: str) -> None:
    """Exit code 1, for numbers of this runtime, and no word of success."""
    assert result.exit_code == 1, result.output
    assert f"{runtime} differs from its reference" in result.stderr
    assert "next:" not in result.stdout


@pytest.mark.parametrize("error", ERRORS)
def test_the_tf_command_writes_no_wrong_model(
    run: Run, good: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    real = saved_model.convert
    monkeypatch.setattr(saved_model, "convert", lambda model, **kw: real(planted.spoiled(error, model), **kw))
    before = files(good)
    arguments = ("--from", good / "net.onnx", "-o", good / "saved", "--frozen", good / "net.pb")
    refused(run("tf", *arguments), "tensorflow")
    assert files(good) == before


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("route", ["net.tflite", "official"])
def test_the_commands_behind_it_write_no_wrong_model(
    run: Run, good: Path, wrong: Wrong, monkeypatch: pytest.MonkeyPatch, error: str, route: str
) -> None:
    """TensorFlow's own converter answers what it makes of the wrong net."""
    real = Worker.call

    def call(self: Worker, task: str, **arguments: Any) -> Any:
        if task == "run_litert.convert":
            data = (wrong(error) / "net.tflite").read_bytes()
            Path(arguments["path"]).write_bytes(data)
            return "2.1.0"
        if task == "run_tensorflowjs.convert":
            arguments["source"] = wrong(error) / "saved"
        return real(self, task, **arguments)

    wrong(error)
    monkeypatch.setattr(Worker, "call", call)
    before = files(good)
    saved = ("--from", good / "saved")
    if route == "official":
        refused(run("tfjs", "--via", "tensorflowjs", *saved, "-o", good / route), "tfjs-wasm")
    else:
        refused(run("litert", *saved, "-o", good / route), "litert")
    assert files(good) == before


Explain = Callable[[Path], bisect.Finding]


@pytest.fixture(scope="module")
def explain(good: Path, browser: Browser, worker: Worker, run: Run) -> Explain:
    """What the bisection finds."""
    batches = samples.samples_for(planted.checkpoint().contract)

    def find(path: Path) -> bisect.Finding:
        figures = comparing.compare(
            comparing.artefact_reference(good / "net.onnx"), [comparing.turns([path])[0]], batches
        )
        return bisect.explain(good / "net.onnx", path, batches, figures, worker=worker, browser=browser)

    return find


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[reconvert.Reconversion, Any, Path], Path]:
    """`Reconversion.make`, which makes the same of the same net each time: once for each kind."""
    real, made = reconvert.Reconversion.make, {}

    def make_once(again: reconvert.Reconversion, model: Any, folder: Path) -> Path:
        if again.route not in made:
            made[again.route] = real(again, model, tmp_path_factory.mktemp("again"))
        return made[again.route]

    return make_once


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("route", ROUTES)
def test_verify_finds_a_wrong_artefact_and_the_operator(
    run: Run,
    good: Path,
    wrong: Wrong,
    explain: Explain,
    once: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
    route: str,
) -> None:
    monkeypatch.setattr(reconvert.Reconversion, "make", once)
    path = wrong(error) / route
    arguments = ("verify", path, "--against", good / "net.onnx", "--runtime", ROUTES[route])
    refused(run(*arguments), f"{ROUTES[route]} {route}")
    finding = explain(path)
    assert finding.value is not None
    assert finding.value.operator is not None, finding.text()
    assert (finding.value.operator.operator, finding.value.operator.name) == PLACES[error], finding.text()
    assert finding.value.max_abs > finding.value.limit
    assert all(len(line) <= 80 for line in finding.text())
    json.dumps(finding.record(), allow_nan=False)


def test_the_right_artefacts_pass(run: Run, good: Path) -> None:
    result = run(
        "verify", *(good / route for route in ROUTES), "--against", good / "net.onnx", "--runtime", "tfjs-wasm"
    )
    assert result.exit_code == 0, result.output


def cut(finding: bisect.Finding, error: str) -> None:
    """The operator was found by sending parts of the model down the route."""
    assert finding.value is not None
    assert finding.value.operator is not None
    assert (finding.value.operator.operator, finding.value.operator.name) == PLACES[error]
    assert "parts of the model sent down the same route" in finding.method


@pytest.mark.parametrize("error", ["wrong_weight", "idle_activation", "mistransposed"])
def test_a_road_that_is_wrong_itself_is_cut(
    wrong: Wrong, explain: Explain, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    path = wrong(error) / "net.tflite"
    real = saved_model.convert
    monkeypatch.setattr(saved_model, "convert", lambda model, **kw: real(planted.spoiled(error, model), **kw))
    cut(explain(path), error)


def test_onnx2tf_keeps_no_names(
    run: Run, good: Path, explain: Explain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, error = saved_model.for_onnx2tf, "idle_activation"
    planted.write(error, good / "net.onnx", tmp_path / "net.onnx")
    made = run("tf", "--converter", "onnx2tf", "--from", tmp_path / "net.onnx", "-o", tmp_path / "saved")
    assert made.exit_code == 0, made.output
    monkeypatch.setattr(saved_model, "for_onnx2tf", lambda model: real(planted.spoiled(error, model)))
    before = files(tmp_path)
    refused(run("tf", "--converter", "onnx2tf", "--from", good / "net.onnx", "-o", tmp_path / "saved"), "tensorflow")
    assert files(tmp_path) == before
    cut(explain(tmp_path / "saved"), error)
