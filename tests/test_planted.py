"""These tests check that no core route reports success on wrong numbers, and that the bisection names the operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import planted
import pytest
from click.testing import CliRunner, Result
from planted import ERRORS, PLACES

from fer_export.cli.main import main
from fer_export.contract import Conversion
from fer_export.convert import onnx, tfjs
from fer_export.diagnose import bisect
from fer_export.formats import checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import write_tfjs
from fer_export.parity import Figures, comparing, samples
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(browser: Browser) -> Iterator[Run]:
    """`fer-export` in this process, with this one browser, which starts once."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    with planted.registered(), pytest.MonkeyPatch.context() as patch:
        for module in ("runtimes.tfjs", "diagnose.bisect.of_verify"):
            patch.setattr(f"fer_export.{module}.Browser", lambda: nullcontext(browser))
        yield call


@pytest.fixture(scope="module")
def good(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint, its ONNX file and its TF.js model, each as its command writes it."""
    folder = tmp_path_factory.mktemp("good")
    checkpoint.save(planted.checkpoint(), folder / "net.safetensors")
    exported = run("onnx", "--ckpt", folder / "net.safetensors", "-o", folder / "net.onnx")
    assert exported.exit_code == 0, exported.output
    converted = run("tfjs", "--from", folder / "net.onnx", "-o", folder / "model")
    assert converted.exit_code == 0, converted.output
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(result: Result, runtime: str) -> None:
    """Exit code 1, for numbers of this runtime, and no word of success."""
    assert result.exit_code == 1, result.output
    assert f"{runtime} differs from its reference" in result.stderr
    assert "next:" not in result.stdout


@pytest.mark.parametrize("error", ERRORS)
def test_the_onnx_command_writes_no_wrong_model(
    run: Run, good: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    model = planted.spoiled(error, load_onnx(good / "net.onnx")[0])
    monkeypatch.setattr(onnx, "to_onnx", lambda *_, **__: model)
    before = contents(good)
    refused(run("onnx", "--ckpt", good / "net.safetensors", "-o", good / "net.onnx"), "onnxruntime")
    assert contents(good) == before


@pytest.mark.parametrize("error", ERRORS)
def test_the_tfjs_command_writes_no_wrong_model(
    run: Run, good: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    real = tfjs.convert
    monkeypatch.setattr(tfjs, "convert", lambda model, **kw: real(planted.spoiled(error, model), **kw))
    before = contents(good)
    refused(run("tfjs", "--from", good / "net.onnx", "-o", good / "model"), "tfjs-wasm")
    assert contents(good) == before


Spoiled = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def spoiled(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    """An artefact that holds an error and claims, hashes and all, to be the net: `onnx` or `tfjs`."""
    made: dict[tuple[str, str], Path] = {}

    def get(error: str, kind: str) -> Path:
        if (error, kind) not in made:
            folder = tmp_path_factory.mktemp(error)
            path = made[error, kind] = folder / ("net.onnx" if kind == "onnx" else "model")
            model, contract = planted.write(error, good / "net.onnx", folder / "net.onnx")
            if kind == "tfjs":
                path.mkdir()
                contract = contract.but(conversion=Conversion(hop="tfjs", converter="direct"))
                write_tfjs(tfjs.convert(model), contract, path, "float32")
        return made[error, kind]

    return get


Explain = Callable[[Path, Path], bisect.Finding]


@pytest.fixture(scope="module")
def explain(run: Run, browser: Browser) -> Explain:
    """What the bisection finds, from the figures that `fer-export verify` has."""

    def find(reference: Path, path: Path) -> bisect.Finding:
        contract = planted.checkpoint().contract
        batches = samples.samples_for(contract)
        figures: list[Figures] = comparing.compare(
            comparing.artefact_reference(reference),
            comparing.turns([path], ["tfjs-wasm"] if path.is_dir() else None),
            batches,
        )
        with Worker("tf") as worker:
            return bisect.explain(reference, path, batches, figures, worker=worker, browser=browser)

    return find


@pytest.mark.parametrize("kind", ["onnx", "tfjs"])
@pytest.mark.parametrize("error", ERRORS)
def test_verify_finds_a_wrong_artefact_and_the_operator(
    run: Run, good: Path, spoiled: Spoiled, explain: Explain, error: str, kind: str
) -> None:
    path = spoiled(error, kind)
    runtime = "onnxruntime" if kind == "onnx" else "tfjs-wasm"
    other = {"onnx": good / "net.onnx", "tfjs": good / "model", kind: path}
    refused(
        run(
            "verify", "--runtime", runtime, "--ckpt", good / "net.safetensors",
            "--onnx", other["onnx"], "--tfjs", other["tfjs"],
        ),
        runtime,
    )  # fmt: skip
    title = comparing.titles([good / "net.onnx", path])[path]
    refused(run("verify", path, "--against", good / "net.onnx", "--runtime", runtime), f"{runtime} {title}")

    finding = explain(good / "net.onnx", path)
    assert finding.value is not None
    assert finding.value.operator is not None
    assert (finding.value.operator.operator, finding.value.operator.name) == PLACES[error]
    assert finding.value.max_abs > finding.value.limit
    assert finding.value.expected != finding.value.got
    assert all(len(line) <= 80 for line in finding.text())
    assert PLACES[error][1] in "\n".join(finding.text())
    json.dumps(finding.record(), allow_nan=False)


@pytest.mark.parametrize("kind", ["onnx", "tfjs"])
def test_the_right_artefacts_pass(run: Run, good: Path, kind: str) -> None:
    path = good / ("net.onnx" if kind == "onnx" else "model")
    runtime = "onnxruntime" if kind == "onnx" else "tfjs-wasm"
    result = run("verify", path, "--against", good / "net.safetensors", "--runtime", runtime)
    assert result.exit_code == 0, result.output


def test_what_else_the_finding_says(good: Path, spoiled: Spoiled, explain: Explain) -> None:
    def notes(error: str, kind: str) -> str:
        return " ".join(explain(good / "net.onnx", spoiled(error, kind)).notes)

    assert "constant net.conv.weight: 1 of 432 numbers differ" in notes("wrong_weight", "tfjs")
    assert "the artefact answers it as its output scores: outputs are swapped" in notes("swapped_heads", "tfjs")
    assert "without Relu node_relu_2" in notes("idle_activation", "tfjs")
    assert "node_relu_1 is missing" in notes("lost_activation", "onnx")
    assert "the same numbers in another order" in notes("mistransposed", "tfjs")


def test_what_is_fused_is_named_together(good: Path, spoiled: Spoiled, explain: Explain) -> None:
    value = explain(good / "net.onnx", spoiled("wrong_weight", "tfjs")).value
    assert value is not None
    assert [operator.name for operator in value.operators] == ["node_conv2d_1", "node_relu_1"]
    assert value.name == "relu_1"
    assert value.inputs == ("relu",)


def test_torch_is_the_reference_and_the_onnx_file_is_wrong(good: Path, spoiled: Spoiled, explain: Explain) -> None:
    finding = explain(good / "net.safetensors", spoiled("wrong_weight", "onnx"))
    assert finding.value is not None
    assert str(finding.value.operator) == "Conv node_conv2d_1 (layer net.conv (Conv2d))"
    assert finding.reference == "onnxruntime, exported again"
