"""Training: what it is fed, what it leaves, and that it goes on where it stopped."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, present

from fer_export import checkpoint, fer2013, models
from fer_export.errors import InvalidInputError
from training import augment, evaluation, recipe
from training.augment import Augmentation
from training.data import drawn, ferplus, sources
from training.fit import fit


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch on drawn faces."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    fit(recipe.read("drawn", epochs=1), None, folder, progress=False)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The log of a run."""
    with (folder / "metrics.csv").open() as text:
        return list(csv.DictReader(text))


def test_a_run_leaves_best_and_last_in_both_formats(short_run: Path) -> None:
    for name in ("best", "last"):
        for ending in (".safetensors", ".pth"):
            loaded = checkpoint.load(short_run / f"{name}{ending}")
            assert loaded.contract.labels == drawn.LABELS
            assert loaded.contract.training is not None
            assert "knows no real face" in loaded.contract.training.note
            assert {metric.name for metric in loaded.contract.metrics} == {"accuracy", "macro_f1"}
            loaded.module()


def test_the_figure_in_the_contract_is_the_checkpoints_own(short_run: Path) -> None:
    loaded = checkpoint.load(short_run / "best.safetensors")
    source = sources.load("drawn", None)
    with torch.inference_mode():
        probabilities, _ = loaded.module()(source.check_pixels.float())
    accuracy = (probabilities.argmax(1) == source.check_labels).float().mean().item()
    metric = next(metric for metric in loaded.contract.metrics if metric.name == "accuracy")
    # Training checks in bfloat16.
    assert metric.value == pytest.approx(accuracy, abs=0.01)
    assert metric.samples == len(source.check_labels)


def test_evaluation_measures_the_same(short_run: Path) -> None:
    loaded = checkpoint.load(short_run / "best.safetensors")
    result = evaluation.evaluate(loaded, None, "drawn")
    metric = next(metric for metric in loaded.contract.metrics if metric.name == "accuracy")
    assert result.accuracy == pytest.approx(metric.value, abs=0.01)
    assert sum(result.counts.values()) == result.samples == metric.samples


def test_evaluation_refuses_other_labels(short_run: Path, fer2013_csv: Path) -> None:
    loaded = checkpoint.load(short_run / "best.safetensors")
    with pytest.raises(InvalidInputError, match="labels are not those"):
        evaluation.evaluate(loaded, fer2013_csv.parent, "ferplus")


def test_the_pretrained_model_keeps_its_promise(fer2013_csv: Path) -> None:
    loaded = checkpoint.load(checkpoint.PRETRAINED)
    result = evaluation.evaluate(loaded, fer2013_csv.parent, "ferplus")
    assert result.samples == 3199
    assert result.accuracy >= 0.87
    metric = next(metric for metric in loaded.contract.metrics if metric.name == "accuracy")
    assert metric.value == pytest.approx(result.accuracy, abs=0.003)


def test_a_folder_with_a_run_is_not_overwritten(short_run: Path) -> None:
    with pytest.raises(InvalidInputError, match="already holds a run"):
        fit(recipe.read("drawn", epochs=1), None, short_run, progress=False)


def test_resume_goes_on(short_run: Path) -> None:
    before = (short_run / "last.safetensors").read_bytes()
    fit(recipe.read("drawn", epochs=2), None, short_run, resume=True, progress=False)
    contract = checkpoint.load(short_run / "last.safetensors").contract
    assert contract.training is not None
    assert contract.training.note.endswith("epoch 2")
    assert (short_run / "last.safetensors").read_bytes() != before
    first, second = (rows_of(short_run / "log" / f"version_{index}") for index in (0, 1))
    assert {row["epoch"] for row in first} == {"0"}
    assert {row["epoch"] for row in second} == {"1"}


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing to resume"):
        fit(recipe.read("drawn"), None, tmp_path, resume=True, progress=False)


def test_the_command_says_how_to_get_data_and_reports_errors(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "fit", "--recipe", "ferplus", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("error: ")
    assert "fer2013.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_few_steps_on_the_real_ferplus(fer2013_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = fer2013.read
    faces = read(fer2013_csv, limit=600)
    public = read(fer2013_csv, usage="PublicTest", limit=200)
    # A slice of the rows at their own positions: FER+ is joined by position.
    votes = ferplus.read_votes(fer2013_csv.parent / "fer2013new.csv")
    joined = fer2013.Fer2013(*(np.concatenate(parts) for parts in zip(
        (faces.pixels, faces.emotions, faces.usage), (public.pixels, public.emotions, public.usage), strict=True
    )))  # fmt: skip
    monkeypatch.setattr(fer2013, "read", lambda path: joined)
    monkeypatch.setattr(ferplus, "read_votes", lambda path: np.concatenate([votes[:600], votes[28709:28909]]))
    best = fit(recipe.read("ferplus", epochs=2, batch=64), fer2013_csv.parent, tmp_path / "run", progress=False)
    contract = checkpoint.load(best).contract
    assert contract.labels == ferplus.LABELS
    rows = rows_of(tmp_path / "run" / "log" / "version_0")
    losses = [float(row["loss_epoch"]) for row in rows if row["loss_epoch"]]
    assert losses[-1] < losses[0]


def test_ferplus_joined_to_fer2013(fer2013_csv: Path) -> None:
    votes = ferplus.read_votes(fer2013_csv.parent / "fer2013new.csv")
    public = slice(28709, 28709 + 3589)
    classes = ferplus.majority(votes[public])
    # The number of rows that Microsoft's protocol keeps of PublicTest.
    assert (classes >= 0).sum() == 3199
    faces = fer2013.read(fer2013_csv, usage="PublicTest")
    # Where both say happy they agree far more often than chance: the rows are joined as they should be.
    happy = classes == ferplus.LABELS.index("happiness")
    assert (faces.emotions[happy] == fer2013.LABELS.index("happy")).mean() > 0.9


def test_ferplus_protocols_by_hand() -> None:
    votes = np.array(
        [
            [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # clear majority
            [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # none has more than half
            [5, 1, 1, 1, 1, 1, 0, 0, 0, 0],  # single votes dropped: 5 of 5
            [0, 0, 0, 0, 0, 0, 0, 0, 9, 1],  # unknown
            [0, 2, 0, 0, 0, 0, 0, 0, 0, 8],  # not a face
            [5, 0, 5, 0, 0, 0, 0, 0, 0, 0],  # exactly half is not more than half
        ]
    )
    assert ferplus.majority(votes).tolist() == [0, -1, 0, -1, -1, -1]
    soft = ferplus.soft(votes)
    np.testing.assert_allclose(soft[0, :2], [0.6, 0.4])
    np.testing.assert_allclose(soft[2], np.eye(8)[0])
    assert soft[3].sum() == soft[4].sum() == 0
    np.testing.assert_allclose(soft.sum(1), [1, 1, 1, 0, 0, 1], rtol=1e-6)


def test_augmentation_keeps_shape_range_and_draws_for_each_picture() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (16, 1, 48, 48)).float()
    changed = augment.augment(pixels, Augmentation())
    assert changed.shape == pixels.shape
    assert 0 <= changed.min() <= changed.max() <= 255
    same = torch.full((16, 1, 48, 48), 100.0)
    levels = augment.light(same, 0.3).mean((1, 2, 3))
    assert levels.unique().numel() == 16


def test_augmentation_switched_off_is_the_identity() -> None:
    pixels = torch.randint(0, 256, (4, 1, 48, 48)).float()
    nothing = Augmentation(flip=0, rotate=0, scale=0, shift=0, light=0, erase=0)
    torch.testing.assert_close(augment.augment(pixels, nothing), pixels, atol=1e-2, rtol=0)


def test_a_flip_is_a_flip() -> None:
    pixels = torch.randint(0, 256, (4, 1, 48, 48)).float()
    flipped = augment.affine(pixels, Augmentation(flip=1, rotate=0, scale=0, shift=0))
    torch.testing.assert_close(flipped, pixels.flip(3), atol=1e-2, rtol=0)


def test_erasing_takes_one_box() -> None:
    torch.manual_seed(1)
    pixels = torch.rand(32, 1, 48, 48) * 255
    changed = (augment.erase(pixels, 1.0) != pixels)[:, 0]
    for mask in changed:
        rows, columns = mask.any(1).sum().item(), mask.any(0).sum().item()
        assert 6 <= rows <= 20
        assert 6 <= columns <= 20
        assert mask.sum() == rows * columns
    assert torch.equal(augment.erase(pixels, 0.0), pixels)


def test_drawn_faces_are_the_same_for_the_same_seed() -> None:
    pixels, labels = drawn.faces(12, 5)
    again, labels_again = drawn.faces(12, 5)
    other, _ = drawn.faces(12, 6)
    assert np.array_equal(pixels, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(pixels, other)
    assert pixels.shape == (12, 48, 48)


@pytest.mark.parametrize(("change", "says"), [({"epochs": 0}, "epochs"), ({"colour": 1}, "colour")])
def test_a_recipe_that_does_not_hold(change: dict[str, int], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        recipe.read("ferplus", **change)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="no recipe nothing") as caught:
        recipe.read("nothing")
    assert "ferplus" in str(caught.value.hint)


def test_fernet_is_as_small_as_it_says() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net = models.build("fernet", num_classes=8).eval()
    assert sum(parameter.numel() for parameter in net.parameters()) < 1_000_000
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 48, 48))
    assert counter.get_total_flops() / 2 < 60e6


PIXELS = " ".join(["7"] * 2304)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("emotion,Usage\n0,Training\n", "no column 'pixels'"),
        (f"emotion,pixels,Usage\n0,{PIXELS} 7,Training\n", "row 1: 2305 pixels"),
        (f"emotion,pixels,Usage\n0,{PIXELS},Training\n0,{PIXELS[2:]},Training\n", "row 2: 2303 pixels"),
        (f"emotion,pixels,Usage\n9,{PIXELS},Training\n", "row 1: emotion 9"),
        (f"emotion,pixels,Usage\nhappy,{PIXELS},Training\n", "row 1: emotion 'happy'"),
        (f"emotion,pixels,Usage\n0,300 {PIXELS[2:]},Training\n", "outside 0–255"),
        (f"emotion,pixels,Usage\n0,x {PIXELS[2:]},Training\n", "not numbers|pixels"),
        ("emotion,pixels,Usage\n", "holds no row"),
        ("", "no column 'pixels'"),
        (f"emotion,pixels,Usage\n0,{PIXELS}\n", "row 1: 2 fields"),
    ],
)
def test_bad_fer2013_names_file_and_row(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=says) as caught:
        fer2013.read(path)
    assert str(path) in caught.value.reason


def test_a_broken_archive_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv.xz"
    path.write_bytes(b"not an archive")
    with pytest.raises(InvalidInputError, match="cannot read"):
        fer2013.read(path)


def test_columns_in_another_order_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "icml_face_data.csv"
    path.write_text(f"emotion, Usage, pixels\n3, PublicTest, {PIXELS}\n")
    faces = fer2013.read(path)
    assert faces.usage.tolist() == ["PublicTest"]
    assert faces.emotions.tolist() == [3]


def test_the_real_file_has_the_known_counts(fer2013_csv: Path) -> None:
    present("data/fer2013new.csv")
    faces = fer2013.read(fer2013_csv, usage="PublicTest")
    assert len(faces.pixels) == 3589
    assert np.bincount(faces.emotions).tolist() == [467, 56, 496, 895, 653, 415, 607]


def test_a_second_stage_starts_from_the_first_and_says_so(short_run: Path, tmp_path: Path) -> None:
    first = checkpoint.load(short_run / "last.safetensors")
    best = fit(recipe.read("drawn", epochs=1, learning_rate=1e-6), None, tmp_path / "run", init=first, progress=False)
    second = checkpoint.load(best)
    assert second.contract.training is not None
    assert "started from recipe drawn, seed 0" in second.contract.training.note
    near = [
        torch.allclose(second.state[name].float(), first.state[name].float(), atol=1e-3)
        for name in first.state
        if "weight" in name
    ]
    assert all(near)


def test_a_second_stage_of_another_architecture_is_refused(short_run: Path, tmp_path: Path) -> None:
    first = checkpoint.load(short_run / "last.safetensors")
    with pytest.raises(InvalidInputError, match="--init holds"):
        fit(recipe.read("drawn", arguments={"widths": [8, 8, 8]}), None, tmp_path / "run", init=first, progress=False)
