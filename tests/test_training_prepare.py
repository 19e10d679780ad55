"""These tests check preparing photos: the reference's faces, deployed crops, provenance, and no work done twice."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import ROOT, make_checkpoint, present
from facenet_pytorch import MTCNN
from PIL import Image

from fer_export.errors import InvalidInputError, UsageError
from fer_export.faces.align import crop
from fer_export.faces.cascade import detect
from fer_export.faces.photo import load_photo
from fer_export.files import replacing
from training.__main__ import main
from training.data import folder, prepare
from training.data.prepare import Settings

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One face that is happy, and a sky without any."""
    root = tmp_path / "photos"
    (root / "happy").mkdir(parents=True)
    (root / "sad").mkdir()
    shutil.copy(PORTRAIT, root / "happy" / "x.png")
    sky = np.linspace(90, 200, 120).astype(np.uint8)[:, None].repeat(160, 1)
    Image.fromarray(sky).save(root / "sad" / "sky.jpg")
    return root


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each photo that is searched for faces."""
    seen: list[int] = []

    def counted(photo: np.ndarray, **options: object) -> list[object]:
        seen.append(1)
        return list(detect(photo, **options))  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "detect", counted)
    return seen


def record(output: Path) -> list[dict[str, str]]:
    with (output / prepare.PROVENANCE).open(newline="") as text:
        return list(csv.DictReader(text))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])


def tree(output: Path) -> dict[str, bytes]:
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def test_the_faces_are_those_of_facenet_pytorchs_mtcnn(photos: Path, tmp_path: Path) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    row = record(tmp_path / "crops")[0]
    with torch.inference_mode():
        reference = MTCNN(keep_all=True, min_face_size=40, device="cpu")
        boxes, scores, points = reference.detect(Image.open(PORTRAIT), landmarks=True)
    assert len(boxes) == int(row["faces"]) == 1
    np.testing.assert_allclose([float(row[key]) for key in ("x1", "y1", "x2", "y2")], boxes[0].tolist(), atol=0.1)
    names = [
        f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"
    ]
    np.testing.assert_allclose([float(row[name]) for name in names], points[0].ravel().tolist(), atol=0.1)
    assert float(row["score"]) == pytest.approx(float(scores[0]), abs=1e-3)


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_the_crop_is_the_deployed_one(photos: Path, tmp_path: Path, color: str) -> None:
    prepare.prepare(photos, tmp_path / "crops", Settings(color="rgb" if color == "rgb" else "gray"))
    contract = make_checkpoint(channels=3 if color == "rgb" else 1, widths=(8, 16, 24)).contract
    photo = load_photo(PORTRAIT)
    wanted = crop(photo, detect(photo)[0], contract).round().transpose(1, 2, 0)
    got = np.asarray(Image.open(tmp_path / "crops" / "happy" / "x-0.png"))
    np.testing.assert_array_equal(got.reshape(wanted.shape), wanted)


def test_the_record_leads_back_to_the_photo(photos: Path, tmp_path: Path) -> None:
    summary = prepare.prepare(photos, tmp_path / "crops")
    assert (summary.photos, summary.faces, summary.without_face) == (2, 1, ["sad/sky.jpg"])
    face, sky = record(tmp_path / "crops")
    assert face["crop"] == "happy/x-0.png"
    assert face["source"] == "happy/x.png"
    assert face["sha256"] == hashlib.sha256(PORTRAIT.read_bytes()).hexdigest()
    assert (face["width"], face["height"]) == ("256", "256")
    assert (sky["crop"], sky["source"], sky["width"], sky["height"]) == ("", "sad/sky.jpg", "160", "120")


def test_the_crops_are_an_image_folder(photos: Path, tmp_path: Path) -> None:
    shutil.copy(PORTRAIT, photos / "sad" / "y.png")
    prepare.prepare(photos, tmp_path / "crops")
    faces = folder.read_faces(tmp_path / "crops")
    assert faces.where == ("happy/x-0.png", "sad/y-0.png")
    assert faces.labels == ("happy", "sad")
    np.testing.assert_array_equal(faces.pixels[0, 0], np.asarray(Image.open(tmp_path / "crops" / "happy" / "x-0.png")))


def test_a_second_run_looks_at_nothing_twice(photos: Path, tmp_path: Path, calls: list[int]) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    before = tree(tmp_path / "crops")
    assert len(calls) == 2
    summary = prepare.prepare(photos, tmp_path / "crops")
    assert len(calls) == 2
    assert (summary.done_before, summary.faces, summary.without_face) == (2, 1, ["sad/sky.jpg"])
    assert tree(tmp_path / "crops") == before


def test_a_deleted_crop_does_not_come_back(photos: Path, tmp_path: Path) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    (tmp_path / "crops" / "happy" / "x-0.png").unlink()
    prepare.prepare(photos, tmp_path / "crops")
    assert not (tmp_path / "crops" / "happy" / "x-0.png").exists()


def test_a_photo_that_changed_is_cropped_anew(photos: Path, tmp_path: Path, calls: list[int]) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    shutil.copy(PORTRAIT, photos / "sad" / "sky.jpg")
    Image.new("L", (80, 80), 100).save(photos / "happy" / "x.png")
    prepare.prepare(photos, tmp_path / "crops")
    assert len(calls) == 4
    assert {row["source"]: row["crop"] for row in record(tmp_path / "crops")} == {
        "sad/sky.jpg": "sad/sky-0.png",
        "happy/x.png": "",
    }
    assert not (tmp_path / "crops" / "happy" / "x-0.png").exists()


def test_crops_of_photos_that_are_gone_are_kept_and_named(photos: Path, tmp_path: Path) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    (photos / "happy" / "x.png").unlink()
    assert prepare.prepare(photos, tmp_path / "crops").gone == ["happy/x-0.png"]
    assert (tmp_path / "crops" / "happy" / "x-0.png").exists()


def test_two_photos_with_one_stem_do_not_share_a_crop(photos: Path, tmp_path: Path) -> None:
    shutil.copy(PORTRAIT, photos / "happy" / "X.webp")
    Image.open(PORTRAIT).save(photos / "happy" / "x.jpg", quality=95)
    prepare.prepare(photos, tmp_path / "crops")
    crops = {row["source"]: row["crop"] for row in record(tmp_path / "crops") if row["crop"]}
    assert len(crops) == 3
    assert len({crop.lower() for crop in crops.values()}) == 3
    assert all((tmp_path / "crops" / crop).is_file() for crop in crops.values())


@pytest.mark.parametrize("cut", [1, 5, 60, 200])
def test_a_row_that_was_cut_off_is_written_again(photos: Path, tmp_path: Path, calls: list[int], cut: int) -> None:
    shutil.copy(PORTRAIT, photos / "sad" / "y.png")
    prepare.prepare(photos, tmp_path / "crops")
    whole = tree(tmp_path / "crops")
    path = tmp_path / "crops" / prepare.PROVENANCE
    path.write_bytes(path.read_bytes()[:-cut])
    prepare.prepare(photos, tmp_path / "crops")
    assert len(calls) == 4
    assert tree(tmp_path / "crops") == whole


def test_a_photo_of_which_not_all_rows_were_written_is_done_again(tmp_path: Path, calls: list[int]) -> None:
    (tmp_path / "photos").mkdir()
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    Image.fromarray(np.concatenate([portrait, portrait], 1)).save(tmp_path / "photos" / "two.png")
    assert prepare.prepare(tmp_path / "photos", tmp_path / "crops").faces == 2
    whole = tree(tmp_path / "crops")
    path = tmp_path / "crops" / prepare.PROVENANCE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert prepare.prepare(tmp_path / "photos", tmp_path / "crops").faces == 2
    assert len(calls) == 2
    assert tree(tmp_path / "crops") == whole


def test_an_interrupt_loses_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "crops"
    shutil.copy(PORTRAIT, photos / "sad" / "y.png")
    seen: list[int] = []

    def interrupted(photo: np.ndarray, **options: object) -> list[object]:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return list(detect(photo, **options))  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "detect", interrupted)
    result = run(photos, "-o", output)
    assert result.exit_code != 0
    assert "the same command goes on from here" in result.stderr
    assert [row["crop"] for row in record(output)] == ["happy/x-0.png"]
    assert (output / "happy" / "x-0.png").is_file()
    result = run(photos, "-o", output, "--json")
    document = json.loads(result.stdout)
    assert (document["photos"], document["done_before"], document["faces"]) == (3, 1, 2)
    # Four searches: the first photo, the one that was interrupted, and then the two that were left.
    assert len(seen) == 4
    prepare.prepare(photos, tmp_path / "straight")
    assert tree(output) == tree(tmp_path / "straight")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("forced", [False, True])
def test_a_run_that_stops_at_any_write_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, forced: bool
) -> None:
    """A stop before or after each file that takes its place; when forced, over the crops of other settings."""
    small = Settings(size=32)
    prepare.prepare(photos, tmp_path / "straight", small)
    wanted = tree(tmp_path / "straight")
    stops = 0
    for stop in range(20):
        output = tmp_path / f"crops{stop}"
        if forced:
            prepare.prepare(photos, output, Settings(min_face=50))
        writes = itertools.count()

        @contextmanager
        def stopping(path: Path, writes: Iterator[int] = writes, stop: int = stop) -> Iterator[Path]:
            here = next(writes) == stop
            with replacing(path) as temporary:
                yield temporary
                if here and moment == "before":
                    raise KeyboardInterrupt
            if here:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(prepare, "replacing", stopping)
            try:
                prepare.prepare(photos, output, small, force=forced)
            except KeyboardInterrupt:
                stops += 1
            else:
                break
        prepare.prepare(photos, output, small, force=forced)
        assert tree(output) == wanted
    assert stops >= 3


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    photos, output = tmp_path / "photos", tmp_path / "crops"
    photos.mkdir()
    portrait = Image.open(PORTRAIT).convert("RGB")
    for number in range(20):
        portrait.rotate(number % 7, resample=Image.Resampling.BILINEAR).save(photos / f"{number:02}.jpg")
    command = [sys.executable, "-m", "training", "prepare", str(photos), "-o", str(output)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (output / "02-0.png").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Every photo that was recorded before the kill has its crop.
    text = (output / prepare.PROVENANCE).read_text()
    done = [line.split(",")[0] for line in text.splitlines(keepends=True)[1:] if line.endswith("\n")]
    assert 2 <= len(done) < 20
    assert all(Image.open(output / name).size == (48, 48) for name in done)
    summary = prepare.prepare(photos, output)
    assert summary.done_before == len(done)
    again = tree(output)
    prepare.prepare(photos, tmp_path / "straight")
    assert again == tree(tmp_path / "straight")


def test_other_settings_want_another_folder_or_force(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "crops"
    prepare.prepare(photos, output)
    before = tree(output)
    result = run(photos, "-o", output, "--size", 64)
    assert result.exit_code == 2
    assert "made with size 48" in result.stderr
    assert "-o" in result.stderr
    assert "--force" in result.stderr
    assert tree(output) == before
    shutil.copytree(photos, tmp_path / "others")
    with pytest.raises(UsageError, match="made with photos"):
        prepare.prepare(tmp_path / "others", output)
    assert run(photos, "-o", output, "--size", 64, "--force").exit_code == 0
    assert Image.open(output / "happy" / "x-0.png").size == (64, 64)
    assert json.loads((output / prepare.SETTINGS).read_text())["size"] == 64


def test_force_takes_away_crops_that_the_new_settings_do_not_give(photos: Path, tmp_path: Path) -> None:
    prepare.prepare(photos, tmp_path / "crops")
    summary = prepare.prepare(photos, tmp_path / "crops", Settings(min_face=250), force=True)
    assert summary.faces == 0
    assert not (tmp_path / "crops" / "happy" / "x-0.png").exists()


def test_faces_that_score_too_low_are_none(photos: Path, tmp_path: Path) -> None:
    score = detect(load_photo(PORTRAIT))[0].score
    assert prepare.prepare(photos, tmp_path / "a", Settings(min_score=score)).faces == 1
    assert score < 1
    assert prepare.prepare(photos, tmp_path / "b", Settings(min_score=float(np.nextafter(score, 1)))).faces == 0


def test_a_bad_photo_stops_the_run_or_is_listed(photos: Path, tmp_path: Path, calls: list[int]) -> None:
    output = tmp_path / "crops"
    (photos / "happy" / "y.jpg").write_bytes(b"no picture")
    result = run(photos, "-o", output)
    assert result.exit_code == 4
    assert "y.jpg is not a picture" in result.stderr
    assert "--skip-bad" in result.stderr
    assert (output / "happy" / "x-0.png").is_file()
    result = run(photos, "-o", output, "--skip-bad", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["skipped"] == [f"{photos}/happy/y.jpg is not a picture that can be read"]
    assert (document["photos"], document["done_before"], document["faces"]) == (3, 1, 1)
    assert len(calls) == 2


def test_places_that_cannot_be(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for arguments, says in (
        ((photos, tmp_path / "mine"), "is not empty"),
        ((photos, tmp_path / "mine" / "thesis.txt"), "is a file"),
        ((photos, photos), "holds the photos"),
        ((tmp_path / "mine", tmp_path / "crops"), "holds no photo"),
        ((tmp_path / "nowhere", tmp_path / "crops"), "no folder"),
    ):
        with pytest.raises((InvalidInputError, UsageError), match=says):
            prepare.prepare(*arguments)
    assert not (tmp_path / "crops").exists()
    for settings in (
        Settings(size=2),
        Settings(min_face=3),
        Settings(min_face=float("nan")),
        Settings(min_face=float("inf")),
        Settings(min_score=2),
        Settings(min_score=float("nan")),
    ):
        with pytest.raises(UsageError):
            prepare.prepare(photos, tmp_path / "crops", settings)
    assert not (tmp_path / "crops").exists()


def test_a_record_from_a_stranger_deletes_nothing_elsewhere(photos: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"x")
    for place in (str(precious), "../precious.png"):
        output = tmp_path / f"crops{len(place)}"
        prepare.prepare(photos, output)
        path = output / prepare.PROVENANCE
        path.write_text(path.read_text().replace("happy/x-0.png", place))
        with pytest.raises(InvalidInputError, match="row 1 is damaged"):
            prepare.prepare(photos, output, Settings(size=64), force=True)
    assert precious.exists()


def test_the_output_may_lie_inside_the_photos(photos: Path) -> None:
    for _ in range(2):
        assert prepare.prepare(photos, photos / "crops").photos == 2


def test_the_summary_and_the_contact_sheet(photos: Path, tmp_path: Path) -> None:
    result = run(photos, "-o", tmp_path / "crops")
    assert result.exit_code == 0
    assert "photos        2" in result.stdout
    assert "without face  1" in result.stdout
    sheet = np.asarray(Image.open(tmp_path / "crops" / prepare.SHEET).convert("L"))
    shown = np.asarray(
        Image.open(tmp_path / "crops" / "happy" / "x-0.png").resize((72, 72), Image.Resampling.BICUBIC), np.int64
    )
    # The crop is on the sheet, enlarged, somewhere.
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (72, 72))
    assert np.abs(windows[:, :, ::9, ::9].astype(np.int64) - shown[::9, ::9]).max((2, 3)).min() <= 2


def test_all_faces_of_a_group_photo(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(present("photos/faceapi_sample1.jpg"), tmp_path / "photos")
    assert prepare.prepare(tmp_path / "photos", tmp_path / "crops").faces == 3
    areas = [
        (float(row["x2"]) - float(row["x1"])) * (float(row["y2"]) - float(row["y1"]))
        for row in record(tmp_path / "crops")
    ]
    assert areas == sorted(areas, reverse=True)
