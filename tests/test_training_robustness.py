"""These tests check robustness: each change is what its name says, and losses are measured on the same rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT, make_checkpoint
from PIL import Image
from torch import Generator, Tensor

from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint as checkpoints
from fer_export.formats.checkpoint import Checkpoint
from training.cli.robustness import main
from training.data import drawn
from training.data.faces import PUBLIC, Faces
from training.measure.evaluation import predict
from training.measure.robustness import CONDITIONS, Condition, apply, lost, measure_robustness
from training.measure.robustness.conditions import blur, brightness, contrast, jpeg, move, noise
from training.measure.robustness.measure import passes
from training.report.robustness_chart import draw


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Three pieces of a real portrait, uint8 [3, 1, 48, 48]."""
    with Image.open(ROOT / "fer_export/portrait/portrait.png") as picture:
        gray = torch.from_numpy(np.array(picture.convert("L").resize((80, 80))))
    return torch.stack([gray[top : top + 48, left : left + 48] for top, left in ((10, 16), (0, 0), (30, 30))])[:, None]


@pytest.fixture(scope="module")
def net() -> Checkpoint:
    made = make_checkpoint(widths=(8, 16, 24), num_classes=len(drawn.LABELS))
    shape = (len(drawn.LABELS),)
    outputs = tuple(one.model_copy(update={"shape": shape}) for one in made.contract.outputs)
    return Checkpoint(made.contract.but(labels=drawn.LABELS, outputs=outputs), made.state)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return drawn.draw_faces(30, 60).of(PUBLIC)


# The changes


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_every_condition_delivers_other_bytes_and_leaves_the_pictures_alone(
    condition: Condition, pixels: Tensor
) -> None:
    before = pixels.clone()
    changed = [apply(change, pixels) for change in condition.changes]
    for one in changed:
        assert (one.dtype, one.shape) == (torch.uint8, pixels.shape)
        assert not torch.equal(one, pixels)
    assert torch.equal(pixels, before)
    assert len({one.numpy().tobytes() for one in changed}) == len(changed)


def test_brightness_multiplies_rounds_and_clips() -> None:
    ramp = torch.tensor([0, 3, 101, 127, 128, 200, 255], dtype=torch.uint8).view(1, 1, 1, 7)
    assert apply(brightness(0.3), ramp).flatten().tolist() == [0, 1, 30, 38, 38, 60, 76]
    assert apply(brightness(2), ramp).flatten().tolist() == [0, 6, 202, 254, 255, 255, 255]


def test_contrast_goes_about_the_pictures_own_mean(pixels: Tensor) -> None:
    halved = apply(contrast(0.5), pixels).double()
    for one, before in zip(halved, pixels.double(), strict=True):
        # Half of the values end in ½, and rounding takes them all one way.
        assert one.mean().item() == pytest.approx(before.mean().item(), abs=0.3)
        assert one.std().item() == pytest.approx(before.std().item() / 2, abs=0.3)


@pytest.mark.parametrize("sigma", [1, 2])
def test_blur_spreads_a_pixel_by_its_sigma(sigma: int) -> None:
    picture = torch.zeros(1, 1, 48, 48)
    picture[0, 0, 24, 24] = 255
    # The blur is measured before rounding, which would remove its faint outer part.
    spread = blur(sigma)(picture, Generator())[0, 0].double()
    places = torch.arange(48).double() - 24
    assert spread.sum().item() == pytest.approx(255, rel=1e-4)
    assert (spread.sum(0) @ places**2 / 255).item() == pytest.approx(sigma**2, rel=0.02)
    assert (spread.sum(1) @ places**2 / 255).item() == pytest.approx(sigma**2, rel=0.02)


def test_jpeg_is_worse_at_lower_quality_and_leaves_flat_pictures_alone(pixels: Tensor) -> None:
    errors = [(apply(jpeg(quality), pixels).float() - pixels.float()).abs().mean().item() for quality in (90, 20, 5)]
    assert 0 < errors[0] < errors[1] < errors[2] < 30
    flat = torch.full((1, 3, 48, 48), 128, dtype=torch.uint8)
    assert torch.equal(apply(jpeg(20), flat), flat)


@pytest.mark.parametrize("sigma", [10, 25])
def test_noise_has_its_sigma_and_its_seed(sigma: int) -> None:
    gray = torch.full((600, 1, 48, 48), 128, dtype=torch.uint8)
    noisy = apply(noise(sigma), gray, seed=1)
    difference = noisy.double() - 128
    assert difference.mean().abs() < 0.1
    assert difference.std().item() == pytest.approx(sigma, rel=0.01)
    # No two pictures have the same noise, also not in different batches.
    assert len({one.numpy().tobytes() for one in noisy}) == 600
    assert torch.equal(noisy, apply(noise(sigma), gray, seed=1))
    assert not torch.equal(noisy, apply(noise(sigma), gray, seed=2))


def test_a_shift_moves_whole_pixels_and_repeats_the_edge(pixels: Tensor) -> None:
    right = apply(move(right=3), pixels)
    assert torch.equal(right[..., 3:], pixels[..., :-3])
    assert torch.equal(right[..., :3], pixels[..., :1].expand(-1, -1, -1, 3))
    up = apply(move(down=-6), pixels)
    assert torch.equal(up[..., :-6, :], pixels[..., 6:, :])
    assert torch.equal(up[..., -6:, :], pixels[..., -1:, :].expand(-1, -1, 6, -1))


def test_shifts_go_all_four_ways(pixels: Tensor) -> None:
    (condition,) = (one for one in CONDITIONS if one.name == "shift 6 px")
    left, right, up, down = (apply(change, pixels) for change in condition.changes)
    assert torch.equal(left[..., :-6], pixels[..., 6:])
    assert torch.equal(right[..., 6:], pixels[..., :-6])
    assert torch.equal(up[..., :-6, :], pixels[..., 6:, :])
    assert torch.equal(down[..., 6:, :], pixels[..., :-6, :])


def test_both_turns_are_mirror_images(pixels: Tensor) -> None:
    for condition in (one for one in CONDITIONS if one.group == "rotation"):
        one, other = condition.changes
        mirrored = apply(other, pixels.flip(3)).flip(3)
        # Rounding may fall either way.
        assert (apply(one, pixels).int() - mirrored.int()).abs().max() <= 1


def test_a_turn_is_by_its_degrees() -> None:
    picture = torch.zeros(1, 1, 48, 48, dtype=torch.uint8)
    picture[0, 0, 22:26, 40:44] = 255
    turned = apply(move(degrees=20), picture)[0, 0].double()
    places = torch.arange(48).double() + 0.5 - 24
    x, y = (turned.sum(0) @ places / turned.sum()).item(), (turned.sum(1) @ places / turned.sum()).item()
    assert math.degrees(math.atan2(y, x)) == pytest.approx(20, abs=0.3)
    assert math.hypot(x, y) == pytest.approx(18, abs=0.1)


@pytest.mark.parametrize("scale", [0.85, 1.15])
def test_scale_changes_the_area(scale: float) -> None:
    y, x = torch.meshgrid(*[torch.arange(48) - 23.5] * 2, indexing="ij")
    disc = ((x**2 + y**2 < 15**2) * 255).to(torch.uint8)[None, None]
    scaled = apply(move(scale=scale), disc)
    assert (scaled.double().sum() / disc.double().sum()).item() == pytest.approx(scale**2, rel=0.02)


def test_larger_pictures_change_in_proportion(pixels: Tensor) -> None:
    large = torch.nn.functional.interpolate(pixels, scale_factor=2, mode="nearest")
    shifted = apply(move(right=3), large)
    assert torch.equal(shifted[..., 6:], large[..., :-6])
    picture = torch.zeros(1, 1, 96, 96)
    picture[0, 0, 48, 48] = 255
    spread = blur(1)(picture, Generator())[0, 0].double()
    assert (spread.sum(0) @ (torch.arange(96).double() - 48) ** 2 / 255).item() == pytest.approx(4, rel=0.02)


# The losses


def test_points_lost_by_hand() -> None:
    # Of ten rows three are lost and one is won.
    before = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 0, 0]).bool()
    after = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0, 0, 0]).bool()
    found = lost(before, after)
    assert found.accuracy == pytest.approx(0.4)
    assert found.points == pytest.approx(20)
    assert found.bound == pytest.approx(100 * 1.96 * math.sqrt(3 + 1 - (3 - 1) ** 2 / 10) / 10, rel=1e-4)
    same = lost(before, before)
    assert (same.accuracy, same.points, same.bound) == (0.6, 0, 0)


def test_what_changes_nothing_costs_nothing_and_changes_are_averaged(faces: Faces) -> None:
    net = checkpoints.load_checkpoint(checkpoints.PRETRAINED)
    answers = predict(net, torch.cat([faces.pixels, faces.pixels[:1] * 0])).argmax(1)
    # Rows are labelled with the net's own answers. On black pictures, all are lost except those with black's answer.
    targets = torch.eye(len(net.contract.labels))[answers[:-1]]
    faces = replace(faces, labels=net.contract.labels, targets=targets)
    expected = 100 * (answers[:-1] != answers[-1]).double().mean().item()
    assert expected > 0
    conditions = [
        Condition("nothing", "at all", (lambda pixels, _: pixels,)),
        Condition("black", "all", (lambda pixels, _: pixels * 0,)),
        Condition("both", "half", (lambda pixels, _: pixels, lambda pixels, _: pixels * 0)),
    ]
    seen: list[int] = []
    found = measure_robustness(net, faces, conditions=conditions, progress=seen.append)
    nothing, black, both = (row.lost for row in found.rows)
    assert (nothing.points, nothing.bound, nothing.accuracy) == (0, 0, 1)
    assert black.points == pytest.approx(expected)
    assert both.points == pytest.approx(black.points / 2)
    assert both.accuracy == pytest.approx((nothing.accuracy + black.accuracy) / 2)
    assert found.mean == pytest.approx(black.points / 2)
    assert sum(seen) == len(faces) * passes(conditions) == 60 * 5


def test_the_same_seed_the_same_figures(net: Checkpoint, faces: Faces) -> None:
    some = [condition for condition in CONDITIONS if condition.group in ("noise", "JPEG", "rotation")]
    first, again = (measure_robustness(net, faces, conditions=some, seed=3).record() for _ in range(2))
    assert first == again
    assert first["seed"] == 3


def test_rows_without_a_label_are_left_out(net: Checkpoint, faces: Faces) -> None:
    targets = faces.targets.clone()
    targets[:10] = 0
    some = [Condition("nothing", "", (lambda pixels, _: pixels,))]
    assert measure_robustness(net, replace(faces, targets=targets), conditions=some).clean.samples == 50


def test_other_labels_are_refused(faces: Faces) -> None:
    with pytest.raises(InvalidInputError, match="labels are not those of"):
        measure_robustness(make_checkpoint(widths=(8, 16, 24)), faces)


# The chart and the command


def test_the_chart_has_room_for_every_bar(net: Checkpoint, faces: Faces, tmp_path: Path) -> None:
    found = measure_robustness(net, faces.rows(torch.arange(60).numpy() < 8), conditions=CONDITIONS[:6])
    draw(found, tmp_path / "few.png")
    draw(replace(found, rows=found.rows * 3), tmp_path / "many.png")
    with Image.open(tmp_path / "few.png") as few, Image.open(tmp_path / "many.png") as many:
        assert few.width == many.width == 1120
        assert many.height > few.height + 12 * 30


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(net: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`python -m training robustness` on drawn faces: exit code, stdout, stderr."""
    made = drawn.draw_faces(30, 60)
    monkeypatch.setattr(drawn, "draw_faces", lambda: made)
    checkpoints.save(net, tmp_path / "best.safetensors")

    def run(*arguments: object) -> tuple[int, str, str]:
        given = ["--ckpt", tmp_path / "best.safetensors", *arguments]
        done = CliRunner(env={"COLUMNS": "60"}).invoke(main, [str(one) for one in given])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_writes_table_chart_and_json(call: Call, tmp_path: Path) -> None:
    code, said, _ = call("--limit", 20, "-o", tmp_path / "out")
    assert code == 0
    assert "the first 20 labelled rows" in said
    assert all(any(line.startswith(one.name) for line in said.splitlines()) for one in CONDITIONS)
    written = json.loads((tmp_path / "out" / "robustness.json").read_text("utf-8"))
    assert (written["samples"], len(written["conditions"])) == (20, len(CONDITIONS))
    with Image.open(tmp_path / "out" / "robustness.png") as chart:
        assert chart.format == "PNG"


def test_the_command_answers_machines(call: Call) -> None:
    code, said, _ = call("--limit", 10, "--split", "Training", "--json")
    found = json.loads(said)
    assert (code, found["ok"], found["samples"], found["split"]) == (0, True, 10, "Training")
    for row in found["conditions"]:
        assert 100 * (found["clean_accuracy"] - row["accuracy"]) == pytest.approx(row["points"])


def test_private_test_is_not_for_this(call: Call) -> None:
    code, _, error = call("--split", "PrivateTest")
    assert code == 2
    assert "PrivateTest" in error
