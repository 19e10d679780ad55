"""These tests check temperature scaling: a known one is found, measured on other rows, and kept in every graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint

from fer_export.contract import Calibration
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from training.__main__ import main
from training.cli.options import made_of
from training.measure import evaluation
from training.measure.figures import calibration
from training.weights.calibrate import fit_temperature

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_by_is_found(true: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40_000, 7, generator=generator)
    classes = torch.multinomial((logits / true).softmax(1), 1, generator=generator)[:, 0]
    assert fit_temperature(logits, classes) == pytest.approx(true, rel=0.03)
    scaled = (logits / fit_temperature(logits, classes)).softmax(1)
    assert calibration(scaled, classes).ece < 0.01


def _calibrated(temperature: float) -> Checkpoint:
    plain = make_checkpoint()
    record = Calibration(
        temperature=temperature, ece_before=0.1, ece_after=0.01, split="PublicTest", protocol="a test", samples=100
    )
    return Checkpoint(plain.contract.but(calibration=record), plain.state)


def test_the_exported_graph_divides_by_it_and_answers_the_nets_own_logits(tmp_path: Path, cli: Cli) -> None:
    warm = _calibrated(2.5)
    checkpoint.save(warm, tmp_path / "warm.safetensors")
    code, _, err = cli("onnx", "--ckpt", tmp_path / "warm.safetensors", "-o", tmp_path / "warm.onnx")
    assert code == 0, err
    session = onnxruntime.InferenceSession(tmp_path / "warm.onnx", providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, 48, 48)).astype(np.float32)
    probabilities, logits = session.run(["probabilities", "logits"], {"pixels": pixels})
    with torch.inference_mode():
        plain = make_checkpoint().module()(torch.from_numpy(pixels))[1].numpy()
    np.testing.assert_allclose(logits, plain, atol=1e-4)
    scaled = np.exp(plain / 2.5 - (plain / 2.5).max(1, keepdims=True))
    np.testing.assert_allclose(probabilities, scaled / scaled.sum(1, keepdims=True), atol=1e-5)
    code, out, _ = cli("info", tmp_path / "warm.onnx")
    assert code == 0
    assert "temperature 2.5" in out


def test_the_command_keeps_the_answers_and_says_what_it_found(tmp_path: Path) -> None:
    net = make_checkpoint(num_classes=6)
    from training.data import drawn

    labelled = Checkpoint(
        net.contract.but(
            labels=drawn.LABELS,
            outputs=tuple(one.model_copy(update={"shape": (6,)}) for one in net.contract.outputs),
        ),
        net.state,
    )
    checkpoint.save(labelled, tmp_path / "x.safetensors")
    done = CliRunner().invoke(main, ["calibrate", "--ckpt", str(tmp_path / "x.safetensors"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert Path(found["checkpoint"]) == tmp_path / "x-calibrated.safetensors"
    # The folder of a packaged model may not be writable, so its output goes into the current folder.
    assert made_of(checkpoint.PRETRAINED, "calibrated") == Path("ferplus-calibrated.safetensors")
    warm = checkpoint.load_checkpoint(tmp_path / "x-calibrated.safetensors")
    assert warm.contract.calibration is not None
    assert warm.contract.weights_sha256 == labelled.contract.weights_sha256
    assert warm.contract.calibration.samples == 500
    accuracy, macro_f1 = warm.contract.metrics
    assert (accuracy.name, macro_f1.name, accuracy.samples) == ("accuracy", "macro_f1", 500)
    measured = evaluation.evaluate(labelled, drawn.draw_faces().of("PublicTest"))
    assert accuracy.value == pytest.approx(measured.accuracy, abs=1e-5)
    assert macro_f1.value == pytest.approx(measured.macro_f1, abs=1e-5)
    # Calibrating again replaces the metrics of these rows and does not add them a second time.
    again = CliRunner().invoke(main, ["calibrate", "--ckpt", str(tmp_path / "x-calibrated.safetensors")])
    assert again.exit_code == 0, again.output
    assert (
        checkpoint.load_checkpoint(tmp_path / "x-calibrated-calibrated.safetensors").contract.metrics
        == warm.contract.metrics
    )
    # An untrained net is wrong however sure it is, so the temperature lowers its confidence.
    assert found["ece_after"] < found["ece_before"]
