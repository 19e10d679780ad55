"""These tests measure and calibrate on folders of pictures: which pictures are used, and whose labels they get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from fer_export.formats import checkpoint
from training.__main__ import main
from training.data import drawn, sources
from training.data.faces import PUBLIC
from training.fit.run import Run, fit
from training.measure.evaluation import evaluate
from training.recipe import Data, read_recipe

#: Folder names as people have them, for the labels of drawn faces.
NAMES = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "fear": "afraid",
}


def fill(folder: Path, count: int, seed: int) -> Path:
    pixels, labels = drawn.faces(count, seed)
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        place = folder / NAMES[drawn.LABELS[label]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 pictures in folders by class, without a validation part."""
    return fill(tmp_path_factory.mktemp("data") / "flat", 90, 5)


@pytest.fixture(scope="module")
def run(flat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that was trained on these pictures but for a quarter, set aside by seed 3."""
    recipe = read_recipe("drawn", epochs=1, seed=3, changes=["data={kind: folder, share: 0.25}", "stages.0.batch=16"])
    folder = tmp_path_factory.mktemp("runs") / "flat"
    fit(recipe, Run(folder, {"main": flat}, progress=False))
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--json"])


def measured(*arguments: object) -> dict[str, Any]:
    done = invoke("evaluate", *arguments)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_default_model_is_measured_on_all_pictures_of_a_folder(flat: Path) -> None:
    found = measured("--data", flat, "--kind", "folder")
    assert (found["samples"], found["split"]) == (90, "all")
    # The folder is known for what it is without --kind, too.
    assert measured("--data", flat)["single_view"] == found["single_view"]
    assert found["single_view"]["accuracy"] == pytest.approx(_by_hand(), abs=1e-9)


def _by_hand() -> float:
    """Share of right answers of the default model, by its own label names, which are those of drawn faces."""
    loaded = checkpoint.load_checkpoint(checkpoint.PRETRAINED)
    pixels, labels = drawn.faces(90, 5)
    with torch.inference_mode():
        said = loaded.module()(torch.from_numpy(pixels)[:, None].float())[0].argmax(1).tolist()
    right = [loaded.contract.labels[one] == drawn.LABELS[label] for one, label in zip(said, labels, strict=True)]
    return sum(right) / len(right)


def test_it_says_that_other_pictures_chose_the_epoch(flat: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", "--data", str(flat), "--kind", "folder"])
    said = " ".join(done.stdout.split())
    assert "these are pictures of another data set, image folder flat" in said
    assert "same rows" not in said


def test_the_pictures_that_a_run_set_aside_are_found_again(flat: Path, run: Path) -> None:
    found = measured("--ckpt", run / "best.safetensors", "--data", flat, "--kind", "folder")
    aside = sources.load_split(Data(kind="folder", share=0.25), {"main": flat}, seed=3)
    assert (found["split"], found["samples"]) == (PUBLIC, len(aside.check))
    loaded = checkpoint.load_checkpoint(run / "best.safetensors")
    assert found["single_view"]["accuracy"] == evaluate(loaded, aside.check).accuracy
    assert loaded.contract.metrics[0].value == pytest.approx(found["single_view"]["accuracy"], abs=1e-5)


def test_a_part_that_is_not_there_is_not_made_up(flat: Path) -> None:
    done = invoke("evaluate", "--data", flat, "--kind", "folder", "--split", "PublicTest")
    assert done.exit_code == 2
    assert "has no validation part" in json.loads(done.stdout)["error"]
    assert "--split all" in json.loads(done.stdout)["hint"]


def test_a_validation_part_is_what_is_measured(tmp_path: Path) -> None:
    for part, count, seed in (("train", 60, 1), ("val", 24, 2)):
        fill(tmp_path / "parts" / part, count, seed)
    assert measured("--data", tmp_path / "parts")["samples"] == 24
    assert measured("--data", tmp_path / "parts", "--split", "all")["samples"] == 84


def test_the_final_pictures_of_a_folder_are_not_among_all(tmp_path: Path) -> None:
    for part, count, seed in (("train", 60, 1), ("val", 24, 2), ("test", 30, 3)):
        fill(tmp_path / "parts" / part, count, seed)
    assert measured("--data", tmp_path / "parts", "--split", "all")["samples"] == 84


def test_a_class_that_the_net_does_not_know_is_named(tmp_path: Path) -> None:
    (tmp_path / "bored").mkdir()
    Image.new("L", (48, 48)).save(tmp_path / "bored" / "x.png")
    done = invoke("evaluate", "--data", tmp_path, "--kind", "folder")
    assert done.exit_code == 4
    assert "label bored is unknown to the net" in json.loads(done.stdout)["error"]


def test_a_temperature_is_fitted_on_a_folder(flat: Path, tmp_path: Path) -> None:
    done = invoke("calibrate", "--data", flat, "--kind", "folder", "-o", tmp_path / "warm.safetensors")
    assert done.exit_code == 0, done.output
    found = checkpoint.load_checkpoint(tmp_path / "warm.safetensors").contract.calibration
    assert found is not None
    assert (found.split, found.samples) == ("all", 90)


def test_a_temperature_is_not_fitted_on_what_may_have_been_trained_on(flat: Path, run: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost.safetensors"
    checkpoint.save(checkpoint.load_checkpoint(run / "best.safetensors"), lost)
    done = invoke("calibrate", "--ckpt", lost, "--data", flat, "--kind", "folder")
    assert done.exit_code == 2
    assert "nothing tells which of these pictures were not" in json.loads(done.stdout)["error"]
    done = invoke("calibrate", "--ckpt", lost, "--data", flat, "--kind", "folder", "--split", "all")
    assert done.exit_code == 0, done.output


def test_parts_that_a_folder_has_are_not_shuffled_away(tmp_path: Path) -> None:
    """A recipe that pools and shuffles FER2013 leaves a folder's own parts as they are, and says so."""
    for part, count, seed in (("train", 60, 1), ("test", 24, 2)):
        fill(tmp_path / "parts" / part, count, seed)
    split = sources.load_split(Data(kind="folder", split="shuffled"), {"main": tmp_path / "parts"})
    assert (len(split.train), len(split.check), split.name) == (60, 24, PUBLIC)
    assert "shuffled" not in split.name
    assert all(where.startswith("test/") for where in split.check.where)
