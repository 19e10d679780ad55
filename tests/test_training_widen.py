"""These tests check that a widened net starts with the answers of the narrow one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint

from fer_export.errors import InvalidInputError, ParityError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from training.__main__ import main
from training.weights import widen as widening
from training.weights.widen import widen


def _logits(of: Checkpoint) -> torch.Tensor:
    pictures = torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        logits: torch.Tensor = of.module()(pictures)[1]
    return logits


@pytest.mark.parametrize("factor", [2, 3])
def test_it_answers_as_the_narrow_one(small: Checkpoint, factor: int) -> None:
    wide = widen(small, factor)
    assert wide.contract.architecture.arguments["widths"] == (8 * factor, 16 * factor, 24 * factor)
    torch.testing.assert_close(_logits(wide), _logits(small), atol=1e-4, rtol=1e-4)


def test_default_widths_are_known() -> None:
    assert widen(make_checkpoint()).contract.architecture.arguments["widths"] == (64, 128, 256)


def test_noise_makes_the_copies_differ_and_a_seed_the_same_again(small: Checkpoint) -> None:
    plain, noisy, again, other = (
        widen(small, **more) for more in ({}, {"noise": 0.1}, {"noise": 0.1}, {"noise": 0.1, "seed": 1})
    )
    weight = "stages.0.second.0.weight"
    first, second = plain.state[weight].split(8)
    assert torch.equal(first, second)
    first, second = noisy.state[weight].split(8)
    assert (first / second - 1).std() > 0.05
    assert noisy.contract.weights_sha256 == again.contract.weights_sha256 != other.contract.weights_sha256


def test_nothing_that_was_measured_is_said_of_it(small: Checkpoint) -> None:
    shipped = checkpoint.load_checkpoint(checkpoint.PRETRAINED)
    assert shipped.contract.metrics and shipped.contract.calibration and shipped.contract.training
    wide = widen(shipped, noise=0.1).contract
    assert not wide.metrics and wide.calibration is None and not wide.parity
    assert wide.training and wide.training.note.endswith("made 2 times as wide, noise 0.1, seed 0")


def test_a_net_without_widths_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="simple_cnn has no widths"):
        widen(make_checkpoint("simple_cnn"))


def test_what_answers_otherwise_is_not_handed_out(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = widening._copied
    monkeypatch.setattr(widening, "_copied", lambda name, *rest: copied(name, *rest) * (1.01 if "head" in name else 1))
    with pytest.raises(ParityError, match="answers otherwise"):
        widen(small)


def test_the_command_writes_what_fit_takes(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "small.safetensors")
    called = CliRunner().invoke(main, ["widen", "--ckpt", str(tmp_path / "small.safetensors")])
    assert called.exit_code == 0, called.output
    assert re.search(r"fernet, widths 16, 32, 48, 0\.\d\d M values", called.stdout)
    made = checkpoint.load_checkpoint(tmp_path / "small-wide.safetensors")
    assert made.contract.architecture.arguments["widths"] == (16, 32, 48)
