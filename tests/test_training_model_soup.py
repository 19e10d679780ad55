"""These tests check the mean of several nets, and that its batch statistics are measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint

from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.parity.samples import samples_for
from training.__main__ import main
from training.weights.model_soup import average


def _moved(of: Checkpoint, by: float) -> Checkpoint:
    state = {name: value + by if value.is_floating_point() else value for name, value in of.state.items()}
    return Checkpoint(of.contract.but(weights_sha256=weights_sha256(state)), state)


def _pictures(count: int = 40) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, 48, 48), generator=drawn, dtype=torch.uint8)


def test_weights_are_the_mean(small: Checkpoint) -> None:
    made = average([small, _moved(small, 0.1), _moved(small, 0.5)], _pictures())
    for name, value in small.state.items():
        if "running" not in name and value.is_floating_point():
            torch.testing.assert_close(made.state[name], value + 0.2, msg=name)
    assert made.contract.weights_sha256 == weights_sha256(made.state)


def test_batch_statistics_are_those_of_the_pictures(small: Checkpoint) -> None:
    pictures = _pictures()
    made = average([small, _moved(small, 0.02)], pictures)
    module = made.module()
    seen: list[torch.Tensor] = []
    first = next(layer for layer in module.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    first.register_forward_hook(lambda layer, given, answer: seen.append(given[0]))
    with torch.inference_mode():
        module(pictures.float())
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(first.running_var, seen[0].var((0, 2, 3)), atol=1e-4, rtol=1e-4)
    assert not module.training and (module(pictures.float())[0] == module(pictures.float())[0]).all()


def test_figures_of_one_are_not_those_of_the_mean() -> None:
    shipped = checkpoint.load_checkpoint(checkpoint.PRETRAINED)
    made = average([shipped, _moved(shipped, 1e-4)], _pictures(20)).contract
    assert shipped.contract.metrics and not made.metrics and made.calibration is None
    assert made.training and made.training.note.startswith("mean of 2 nets (")


@pytest.mark.parametrize(
    ("other", "says"),
    [(None, "two checkpoints or more"), ({}, "architecture"), ({"widths": (8, 16, 24), "size": 40}, "input")],
    ids=["alone", "wider", "another size"],
)
def test_what_cannot_be_averaged(small: Checkpoint, other: dict[str, Any] | None, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        average([small] if other is None else [small, make_checkpoint(**other)], _pictures(4))
    labels = tuple(reversed(small.contract.labels))
    with pytest.raises(InvalidInputError, match="labels"):
        average([small, Checkpoint(small.contract.but(labels=labels), small.state)], _pictures(4))


def test_the_command(small: Checkpoint, tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path, one in zip(paths, (small, _moved(small, 0.01)), strict=True):
        checkpoint.save(one, path)
    asked = ["average", "--kind", "drawn", "--limit", "64", "-o", str(tmp_path / "mean.safetensors"), "--json"]
    called = CliRunner().invoke(main, [*asked, *(part for path in paths for part in ("--ckpt", str(path)))])
    assert called.exit_code == 0, called.output
    made = checkpoint.load_checkpoint(tmp_path / "mean.safetensors")
    assert json.loads(called.stdout)["weights_sha256"] == made.contract.weights_sha256
    answers = made.module()(torch.from_numpy(samples_for(made.contract)[0].single).permute(0, 3, 1, 2).float())
    assert torch.isfinite(answers[0]).all()
