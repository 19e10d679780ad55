"""These tests check the deployment gap: landmarks on the face, crops as on the page, and a reliable cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT, make_checkpoint
from PIL import Image
from torch import Tensor

from fer_export.contract import Cascade, Crop
from fer_export.errors import ContractError, InvalidInputError
from fer_export.faces import align, cascade
from fer_export.faces.face import Face
from fer_export.faces.photo import load_photo
from fer_export.formats import checkpoint as checkpoints
from fer_export.parity import samples
from training.cli.deployment import main
from training.data import cascade_crops, drawn
from training.data.cascade_crops import ENLARGEMENT, PADDING, crops, landmarks, photo
from training.data.faces import PUBLIC, TRAINING, Faces
from training.measure import deployment
from training.measure.evaluation import predict
from training.report import deployment_sheet

PAD = PADDING * 48
RULE = Crop(template=align.TEMPLATE_48)
#: How the portrait is held: degrees, size, shift to the right and down in pixels of the 48×48 picture.
HELD = ((0, 1, 0, 0), (0, 1, 3, -2), (15, 0.9, 0, 0), (-12, 1.1, 0, 2), (0, 0.8, -4, 0))


def held(degrees: float, size: float, right: float, down: float) -> tuple[Tensor, Tensor]:
    """The portrait as a picture, uint8 [1, 48, 48], and where its landmarks are in it, [5, 2]."""
    turn = np.deg2rad(degrees)
    spin = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    template = (np.array(align.TEMPLATE_48) - 24) @ spin.T + 24 + np.array([right, down])
    five = tuple((float(x), float(y)) for x, y in template)
    rule = Crop(template=(five[0], five[1], five[2], five[3], five[4]))
    contract = make_checkpoint(widths=(8, 16, 24)).contract.but(crop=rule)
    whole = load_photo(ROOT / "fer_export/portrait/portrait.png")
    picture = align.crop(whole, Face((0, 0, 1, 1), landmarks=samples.LANDMARKS), contract)
    return torch.from_numpy(picture).round().to(torch.uint8), torch.tensor(template)


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Five ways to hold the portrait, then a picture without a face."""
    flat = torch.full((1, 48, 48), 90, dtype=torch.uint8)
    return torch.stack([*(held(*one)[0] for one in HELD), flat])


@pytest.fixture(scope="module")
def points(pixels: Tensor) -> Tensor:
    return landmarks(pixels)


@pytest.fixture(scope="module")
def net() -> checkpoints.Checkpoint:
    return checkpoints.load_checkpoint(checkpoints.PRETRAINED)


@pytest.fixture(scope="module")
def faces(pixels: Tensor, net: checkpoints.Checkpoint) -> Faces:
    """The pictures, labelled in turn; the last but one without a label."""
    labels = net.contract.labels
    targets = torch.eye(len(labels))[torch.arange(len(pixels)) % 2]
    targets[4] = 0
    split = np.array([PUBLIC] * len(pixels))
    return Faces("portraits", "made up", labels, pixels, targets, split, tuple(f"row {n}" for n in range(len(pixels))))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each photo that is searched. Of a bright photo one face is found, of others none."""
    seen: list[int] = []

    def detect(whole: np.ndarray, *, settings: Cascade) -> list[Face]:
        seen.append(int(whole.max()))
        x = float(whole.mean())
        found = Face((0, 0, 9, 9), landmarks=((x, 1), (x + 1, 1), (x, 2), (x, 3), (x + 1, settings.min_face)))
        return [found] if x > 100 else []

    monkeypatch.setattr(cascade, "detect", detect)
    return seen


def grays(*values: int) -> Tensor:
    return torch.stack([torch.full((1, 48, 48), value, dtype=torch.uint8) for value in values])


# Landmarks


def test_the_landmarks_are_where_the_face_is(points: Tensor) -> None:
    assert (points.dtype, points.shape) == (torch.float32, (6, 5, 2))
    for found, one in zip(points, HELD, strict=False):
        assert (found - held(*one)[1]).abs().max() < 3.5
        assert (found - held(*one)[1]).mean(0).abs().max() < 1


def test_a_picture_without_a_face_has_none(points: Tensor) -> None:
    assert points[5].isnan().all()
    assert points[:5].isfinite().all()


def test_the_photo_is_padded_by_its_edge_and_enlarged(pixels: Tensor) -> None:
    whole = photo(pixels[0])
    assert whole.shape == (288, 288, 3)
    assert (whole == whole[..., :1]).all()
    # Above the picture each column is continued, so all rows of the padding are equal, except for the last ones,
    # where the bicubic filter already mixes in the picture.
    margin = int(PAD * ENLARGEMENT)
    assert (whole[: margin - 2 * ENLARGEMENT] == whole[:1]).all()
    inside = whole[margin:-margin, margin:-margin, 0].reshape(48, ENLARGEMENT, 48, ENLARGEMENT).mean((1, 3))
    assert np.abs(inside - pixels[0, 0].numpy()).mean() < 2


def test_the_largest_face_counts(pixels: Tensor, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two portraits on one photo, the smaller one first.
    two = torch.full((1, 48, 48), 200, dtype=torch.uint8)
    small, large = (torch.nn.functional.interpolate(pixels[:1], (side, side))[0] for side in (18, 28))
    two[:, 2:20, 1:19], two[:, 18:46, 19:47] = small, large
    assert len(cascade.detect(photo(two))) == 2
    assert landmarks(two[None])[0].mean(0).tolist() == pytest.approx([33, 33], abs=3)


def test_other_pictures_are_refused(pixels: Tensor) -> None:
    for wrong in (pixels.float(), pixels.expand(-1, 3, -1, -1), pixels[..., :40]):
        with pytest.raises(InvalidInputError, match="uint8 \\[N, 1, 48, 48\\]"):
            landmarks(wrong)


# The cache


def test_what_was_found_is_not_searched_again(cache: Path, searched: list[int]) -> None:
    first = landmarks(grays(90, 120, 150, 120))
    assert searched == [90, 120, 150]
    # Other rows, another order, one that is new.
    again = landmarks(grays(150, 200, 90))
    assert searched == [90, 120, 150, 200]
    assert torch.equal(again[0], first[2])
    assert torch.equal(first[1], first[3])
    assert again[2].isnan().all()
    assert first[2, 0].tolist() == [150 / ENLARGEMENT - PAD, 1 / ENLARGEMENT - PAD]


def test_other_settings_are_searched_anew(cache: Path, searched: list[int]) -> None:
    first = landmarks(grays(150))
    other = landmarks(grays(150), settings=Cascade(stage="pnet", min_face=60))
    assert searched == [150, 150]
    assert not torch.equal(first, other)
    assert torch.equal(landmarks(grays(150)), first)
    assert searched == [150, 150]


def test_a_stopped_run_goes_on(cache: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade_crops, "CHUNK", 2)
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        landmarks(grays(110, 120, 130, 140, 150), progress=stop)
    counts: list[int] = []
    landmarks(grays(110, 120, 130, 140, 150), progress=counts.append)
    assert searched == [110, 120, 130, 140, 150]
    assert counts == [3, 1, 1]


def test_a_damaged_chunk_is_as_good_as_none(cache: Path, searched: list[int]) -> None:
    first = landmarks(grays(110, 120))
    (chunk,) = cache.rglob("*.npz")
    chunk.write_bytes(chunk.read_bytes()[:-40])
    assert torch.equal(landmarks(grays(110, 120)), first)
    assert searched == [110, 120] * 2
    # The damaged chunk was written again.
    landmarks(grays(110, 120))
    assert len(searched) == 4


def test_without_a_cache_it_goes_too(tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="the landmarks are not kept: cannot write"):
        assert landmarks(grays(150)).isfinite().all()


# Crops


def by_the_page(picture: Tensor, five: Tensor, rule: Crop, size: int = 48) -> Tensor:
    """What `align.crop` makes of the photo, not rounded: float32 [1, size, size]."""
    contract = make_checkpoint(widths=(8, 16, 24), size=size).contract.but(crop=rule)
    a, b, c, d, e = (((x + PAD) * ENLARGEMENT, (y + PAD) * ENLARGEMENT) for x, y in five.tolist())
    return torch.from_numpy(align.crop(photo(picture), Face((0, 0, 1, 1), landmarks=(a, b, c, d, e)), contract))


def test_the_crops_are_those_of_the_page(pixels: Tensor, points: Tensor) -> None:
    made = crops(pixels[:5], points[:5], RULE)
    assert (made.dtype, made.shape) == (torch.uint8, (5, 1, 48, 48))
    for one, picture, five in zip(made, pixels, points, strict=False):
        # Rounded, so within half a gray level.
        assert (one.float() - by_the_page(picture, five, RULE)).abs().max() < 0.51


def test_a_grid_and_a_template_of_another_size(pixels: Tensor, points: Tensor) -> None:
    a, b, c, d, e = ((x * 1.5 + 4, y * 1.5) for x, y in align.TEMPLATE_48)
    rule = Crop(template=(a, b, c, d, e))
    made = crops(pixels[2:3], points[2:3], rule, (80, 80))
    assert (made[0].float() - by_the_page(pixels[2], points[2], rule, 80)).abs().max() < 0.51


def test_a_face_on_the_template_stays_as_it_is(pixels: Tensor) -> None:
    made = crops(pixels[:1], torch.tensor([align.TEMPLATE_48]), RULE)
    assert (made.float() - pixels[:1].float()).abs().mean() < 2


def test_faces_are_turned_upright_onto_the_template(pixels: Tensor, points: Tensor) -> None:
    again = landmarks(crops(pixels[:5], points[:5], RULE))
    eyes = again[:, 1] - again[:, 0]
    assert torch.rad2deg(torch.atan2(eyes[:, 1], eyes[:, 0])).abs().max() < 4
    assert (again - torch.tensor(align.TEMPLATE_48)).abs().max() < 3.5


def test_there_is_no_crop_without_a_face(pixels: Tensor, points: Tensor) -> None:
    with pytest.raises(InvalidInputError, match="1 of 6 pictures have no face to crop"):
        crops(pixels, points, RULE)


# The gap


def test_both_ways_are_measured_on_the_rows_with_a_face(faces: Faces, net: checkpoints.Checkpoint) -> None:
    found = deployment.measure_deployment(net, faces)
    # Six pictures; one has no label and one has no face.
    assert (found.samples, len(found.rows), found.share) == (5, 4, 0.8)
    assert found.found.tolist() == [True] * 4 + [False]
    assert found.rows.where == ("row 0", "row 1", "row 2", "row 3")
    rule = net.contract.crop
    assert rule is not None
    by_hand = predict(net, torch.stack([by_the_page(one, five, rule) for one, five in zip(
        faces.pixels[:4], landmarks(faces.pixels[:4]), strict=True)]))  # fmt: skip
    assert (found.answers - by_hand).abs().max() < 0.05
    direct, classes = predict(net, faces.pixels[:4]), faces.classes[:4]
    right, right_crops = direct.argmax(1) == classes, found.answers.argmax(1) == classes
    assert found.pictures.accuracy == pytest.approx(right.double().mean().item())
    assert found.lost.accuracy == pytest.approx(right_crops.double().mean().item())
    assert found.lost.points == pytest.approx(100 * (found.pictures.accuracy - found.lost.accuracy))
    assert found.agreement == pytest.approx((direct.argmax(1) == found.answers.argmax(1)).double().mean().item())
    flat = bool(predict(net, faces.pixels[5:]).argmax(1) == faces.classes[5])
    assert found.unfound_accuracy == float(flat)


def test_a_shifted_face_is_a_gap_that_is_seen(faces: Faces, net: checkpoints.Checkpoint) -> None:
    """A net whose template throws the face out of the grid answers otherwise, and the sheet shows that first."""
    a, b, c, d, e = ((x + 60, y) for x, y in align.TEMPLATE_48)
    away = checkpoints.Checkpoint(net.contract.but(crop=Crop(template=(a, b, c, d, e))), net.state)
    near, far = deployment.measure_deployment(net, faces), deployment.measure_deployment(away, faces)
    assert deployment.disagreement(far).mean() > 3 * deployment.disagreement(near).mean()
    order = deployment_sheet.chosen(far, first=2, rest=9)
    assert sorted(order) == [0, 1, 2, 3]
    apart = deployment.disagreement(far)[order]
    assert apart.tolist() == sorted(apart.tolist(), reverse=True)


def test_what_cannot_be_measured(faces: Faces, net: checkpoints.Checkpoint) -> None:
    silent = checkpoints.Checkpoint(net.contract.but(crop=None), net.state)
    with pytest.raises(ContractError, match="says nothing about cropping"):
        deployment.measure_deployment(silent, faces)
    flat = faces.rows(np.arange(len(faces)) == 5)
    with pytest.raises(InvalidInputError, match="not one face was found in 1 pictures"):
        deployment.measure_deployment(net, flat)
    with pytest.raises(InvalidInputError, match="no row has a label"):
        deployment.measure_deployment(net, replace(faces, targets=faces.targets * 0))


# The command

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`python -m training deployment` on the portraits: exit code, stdout, stderr."""
    split = faces.split.astype("<U12")
    split[0] = TRAINING
    made = replace(faces, split=split)
    monkeypatch.setattr(drawn, "draw_faces", lambda: made)

    def run(*arguments: object) -> tuple[int, str, str]:
        given = [str(one) for one in ("--kind", "drawn", *arguments)]
        done = CliRunner(env={"COLUMNS": "60"}).invoke(main, given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_writes_figures_sheet_and_json(call: Call, tmp_path: Path) -> None:
    code, said, _ = call("-o", tmp_path / "out")
    assert code == 0
    assert "faces found     75.00 %  (3)" in said
    assert "95 %, paired" in said
    written = json.loads((tmp_path / "out" / "deployment.json").read_text("utf-8"))
    assert (written["samples"], written["faces_found"], written["padding"], written["enlargement"]) == (4, 3, 0.25, 4)
    with Image.open(tmp_path / "out" / "deployment.png") as shown:
        assert shown.width == 1120


def test_the_command_answers_machines(call: Call) -> None:
    code, said, _ = call("--limit", 2, "--json")
    found = json.loads(said)
    assert (code, found["ok"], found["samples"], found["share_found"]) == (0, True, 2, 1.0)
    assert found["crop"]["points"] == pytest.approx(100 * (found["picture_accuracy"] - found["crop"]["accuracy"]))


def test_fill_only_looks_for_faces(call: Call, cache: Path) -> None:
    code, said, _ = call("--fill")
    assert (code, said) == (0, "4 faces in 5 pictures of PublicTest\n")
    assert list(cache.rglob("*.npz"))
    assert call("--fill", "-o", cache)[0] == 2


def test_private_test_is_not_for_this(call: Call) -> None:
    assert call("--split", "PrivateTest")[0] == 2
