"""These tests check training on two sets of labels: what each head learns from, and the checkpoint of each."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint

from fer_export import models
from fer_export.convert import onnx
from fer_export.data import fer2013
from fer_export.errors import InvalidInputError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from training import recipe
from training.__main__ import main
from training.data import drawn, ferplus, sources
from training.data.translate import blended, translated
from training.fit import losses, stored_views
from training.fit.multi_head import cut, heads, start, targets
from training.fit.run import Run, fit
from training.fit.teachers import answers, load_teacher
from training.measure import evaluation
from training.recipe import Loss
from training.report.run_report import write_run_report
from training.weights import distil

#: Drawn looks that both sets of labels know: FER2013's class and FER+'s.
BOTH = {"neutral": (6, 0), "happiness": (3, 1), "surprise": (5, 2), "sadness": (4, 3), "anger": (0, 4), "fear": (2, 6)}
TRAINED = ("stages.0.batch=16", "stages.0.schedule.warmup=0.2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces as FER2013 and FER+ files; every tenth row has no votes, every eleventh looks unknown."""
    place = tmp_path_factory.mktemp("both")
    pixels, classes = drawn.faces(160, seed=3)
    usage = ["Training"] * 96 + ["PublicTest"] * 64
    with (place / "fer2013.csv").open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(["emotion", "pixels", "Usage"])
        for picture, label, use in zip(pixels, classes, usage, strict=True):
            writer.writerow([BOTH[drawn.LABELS[label]][0], " ".join(map(str, picture.ravel())), use])
    with (place / "fer2013new.csv").open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(["Usage", "Image name", *ferplus.LABELS, "unknown", "NF"])
        for row, (label, use) in enumerate(zip(classes, usage, strict=True)):
            votes = np.zeros(10, int)
            if row % 10:
                votes[8 if row % 11 == 0 else BOTH[drawn.LABELS[label]][1]] = 8
                votes[0] += 2
            writer.writerow([use, f"{row}.png", *votes])
    return place


@pytest.fixture(scope="module")
def split(folder: Path) -> sources.Split:
    return sources.load_split(recipe.read_recipe("two_heads").data, {"main": folder})


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs of both heads."""
    place = tmp_path_factory.mktemp("runs") / "two"
    fit(
        recipe.read_recipe("two_heads", epochs=3, changes=TRAINED),
        Run(place, {"main": folder}, progress=False, finish=write_run_report),
    )
    return place


def test_rows_keep_both_labels_and_those_with_one_stay(split: sources.Split) -> None:
    train = split.train
    assert train.other is not None
    assert train.other.labels == fer2013.LABELS
    assert len(train) == 96
    without = train.targets.sum(1) == 0
    # 10 rows have no votes, 8 of the others are unknown to most.
    assert int(without.sum()) == 18
    assert (train.other.targets.sum(1) == 1).all()
    assert targets(train).shape == (96, 15)
    # The check uses the majority protocol, whatever the training uses.
    assert set(split.check.targets.unique().tolist()) == {0.0, 1.0}


def test_a_row_without_a_label_says_nothing_to_that_head() -> None:
    logits, wanted = torch.randn(4, 5), torch.eye(5)[:4].clone()
    wanted[2] = 0
    for name in ("cross_entropy", "soft_votes", "focal"):
        loss = losses.function(Loss(name=name, smoothing=0.1))(logits, wanted)
        assert loss[2] == 0
        assert (loss[[0, 1, 3]] > 0).all()


def test_each_set_of_labels_gets_a_checkpoint_that_answers_as_the_whole_net(run: Path, split: sources.Split) -> None:
    whole = load_teacher(run, split.train, "last")
    pixels = split.check.pixels[:8].float()
    with torch.inference_mode():
        wide = whole.net(pixels)
        for place, labels, some in (
            (run, ferplus.LABELS, slice(0, 8)),
            (run / "fer2013", fer2013.LABELS, slice(8, 15)),
        ):
            loaded = checkpoint.load_checkpoint(place / "last.safetensors")
            assert loaded.contract.labels == labels
            torch.testing.assert_close(loaded.module()(pixels)[1], wide[:, some], atol=1e-5, rtol=1e-5)


def test_the_figures_are_each_sets_own(run: Path, split: sources.Split) -> None:
    assert split.check.other is not None
    for place, faces in ((run, split.check), (run / "fer2013", split.check.by_other())):
        loaded = checkpoint.load_checkpoint(place / "best.safetensors")
        rows = faces.labelled() if faces.other is None else faces.rows((faces.classes >= 0).numpy())
        if rows.other is not None:
            rows = sources.replace(rows, other=None)
        result = evaluation.evaluate(loaded, rows)
        named = {metric.name: metric for metric in loaded.contract.metrics}
        assert named["accuracy"].samples == result.samples
        assert named["accuracy"].value == pytest.approx(result.accuracy, abs=0.02)
        with (place / "metrics.csv").open(encoding="utf-8") as text:
            history = [float(row["accuracy"]) for row in csv.DictReader(text)]
        assert max(history) == pytest.approx(named["accuracy"].value, abs=1e-4)
        assert (place / "report.html").stat().st_size > 1000
    assert "beside fer2013" in checkpoint.load_checkpoint(run / "best.safetensors").contract.training.protocol  # type: ignore[union-attr]


def test_a_resumed_run_of_two_heads_equals_an_unbroken_one(run: Path, folder: Path, tmp_path: Path) -> None:
    from training.fit.checkpointing import ResumeState

    class Stop(Exception):
        pass

    class Killed(ResumeState):
        def on_train_epoch_end(self, trainer, pl_module):  # type: ignore[no-untyped-def]
            if trainer.current_epoch == 1:
                raise Stop

    asked = recipe.read_recipe("two_heads", epochs=3, changes=TRAINED)
    place = tmp_path / "two"
    with pytest.raises(Stop):
        fit(asked, Run(place, {"main": folder}, progress=False, callbacks=[Killed(tmp_path / "x")]))
    fit(asked, Run(place, {"main": folder}, progress=False, resume=True))
    for name in ("last.safetensors", "fer2013/last.safetensors"):
        one, other = checkpoint.load_checkpoint(run / name), checkpoint.load_checkpoint(place / name)
        assert one.contract.weights_sha256 == other.contract.weights_sha256


@pytest.mark.parametrize(("place", "which"), [("", "first"), ("fer2013", "second")])
def test_a_net_of_one_head_starts_one_of_two(run: Path, split: sources.Split, place: str, which: str) -> None:
    single = checkpoint.load_checkpoint(run / place / "best.safetensors")
    arguments = {**single.contract.architecture.arguments, "num_classes": targets(split.train).shape[1]}
    wide = models.build("fernet", **arguments).eval()
    before = wide.head.weight.detach().clone()
    assert start(wide, single.state, single.contract.labels, split.train) == which
    faces = torch.randn(4, 1, 48, 48)
    width = len(split.train.labels)
    own, other = (slice(width), slice(width, None)) if which == "first" else (slice(width, None), slice(width))
    torch.testing.assert_close(wide(faces)[:, own], single.module().net(faces))
    assert torch.equal(wide.head.weight[other], before[other])
    with pytest.raises(InvalidInputError, match="which no head of the recipe does"):
        start(wide, single.state, ("cat", "dog"), split.train)


def test_a_run_of_two_heads_goes_on_from_one(run: Path, folder: Path, tmp_path: Path) -> None:
    first = checkpoint.load_checkpoint(run / "best.safetensors")
    again = recipe.read_recipe("two_heads", epochs=1, changes=TRAINED)
    made = fit(again, Run(tmp_path / "run", {"main": folder}, init=[first], limit=64, progress=False))
    training = checkpoint.load_checkpoint(made).contract.training
    assert training is not None
    assert "as the first head" in training.note


def test_a_cut_net_goes_to_onnx(run: Path, tmp_path: Path) -> None:
    loaded = checkpoint.load_checkpoint(run / "fer2013" / "best.safetensors")
    exported = onnx.export(loaded.module(), loaded.contract, tmp_path / "fer.onnx")
    assert exported


def test_every_own_architecture_can_have_two_heads(split: sources.Split) -> None:
    stage = recipe.read_recipe("two_heads").stages[0]
    second = heads(recipe.read_recipe("two_heads").data, stage, split.train)[1]
    for name in ("fernet", "resnet9", "emotion_cnn", "torchvision:mobilenet_v3_small"):
        net = models.build(name, num_classes=15)
        state = cut(name, {}, dict(net.state_dict()), second, width=15)
        pixels = torch.randn(2, 1, 48, 48)
        narrow = models.build(name, num_classes=7)
        narrow.load_state_dict(state)
        with torch.inference_mode():
            torch.testing.assert_close(narrow.eval()(pixels), net.eval()(pixels)[:, 8:], atol=1e-4, rtol=1e-4)


def test_votes_in_the_words_of_the_other_set() -> None:
    first = torch.tensor([[1.0, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 0]])
    second = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]])
    # With the first label occur one, one and half a row of the three second labels.
    said = translated(first, second)
    torch.testing.assert_close(said[0], torch.tensor([0.4, 0.4, 0.2]))
    torch.testing.assert_close(said[3], torch.tensor([0.0, 0.0, 1.0]))
    mixed = blended(first, second, 0.5)
    torch.testing.assert_close(mixed[0], torch.tensor([0.7, 0.2, 0.1]))
    # Rows that only one set labels are not changed.
    torch.testing.assert_close(mixed[3:], second[3:])


def test_translated_targets_are_for_training_alone(folder: Path, split: sources.Split) -> None:
    asked = recipe.read_recipe("two_heads", changes=("data.other.translated=0.4",)).data
    found = sources.load_split(asked, {"main": folder})
    assert found.train.other is not None and found.check.other is not None
    assert split.check.other is not None
    assert torch.equal(found.check.other.targets, split.check.other.targets)
    assert found.train.other.targets.max() < 1 or (found.train.targets.sum(1) == 0).any()
    assert found.train.other.targets.sum(1).allclose(torch.ones(()))
    assert any("40%" in note for note in found.notes)


# Views


@pytest.fixture(scope="module")
def views(run: Path, split: sources.Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("views")
    how = recipe.read_recipe("two_heads").stages[0].augmentation
    both = [load_teacher(run, split.train, which) for which in ("best", "last")]
    assert distil.make_views(place, split.train, both, how, size=48, views=2) == 2
    assert distil.make_views(place, split.train, both, how, size=48, views=3) == 1
    return place


def test_views_hold_what_the_teachers_say_of_the_very_picture(run: Path, split: sources.Split, views: Path) -> None:
    pixels, wanted, count = stored_views.load_views(views, split.train, 1.0)
    assert (count, len(pixels)) == (3, 3 * len(split.train))
    alone = load_teacher(run, split.train, "last")
    said = answers([load_teacher(run, split.train, "best"), alone], pixels[:32].float())
    torch.testing.assert_close(wanted[:32], said, atol=1e-5, rtol=1e-4)
    assert wanted[:, :8].sum(1).allclose(torch.ones(()), atol=1e-3)
    assert not torch.equal(pixels[: len(split.train)], pixels[len(split.train) : 2 * len(split.train)])


def test_teachers_answer_for_the_mirror_too(run: Path, split: sources.Split, tmp_path: Path) -> None:
    teachers = [load_teacher(run, split.train, which) for which in ("best", "last")]
    pixels = split.train.pixels[:16].float()
    plain = [answers(teachers, each) for each in (pixels, pixels.flip(3))]
    both = answers(teachers, pixels, mirrored=True)
    torch.testing.assert_close(both, sum(plain) / 2)
    assert (both - plain[0]).abs().max() > 1e-4
    how = recipe.read_recipe("two_heads").stages[0].augmentation
    distil.make_views(tmp_path, split.train, teachers, how, size=48, views=1, mirrored=True)
    with pytest.raises(InvalidInputError, match="views of other"):
        distil.make_views(tmp_path, split.train, teachers, how, size=48, views=2)


def test_targets_of_views_mix_labels_in_where_there_are_any(split: sources.Split, views: Path) -> None:
    _, said, _ = stored_views.load_views(views, split.train, 1.0)
    _, mixed, _ = stored_views.load_views(views, split.train, 0.25)
    labels = targets(split.train)
    row = int((split.train.targets.sum(1) == 0).nonzero()[0])
    torch.testing.assert_close(mixed[row, :8], said[row, :8])
    torch.testing.assert_close(mixed[row, 8:], 0.25 * said[row, 8:] + 0.75 * labels[row, 8:])
    assert mixed[:, 8:].sum(1).allclose(torch.ones(()), atol=1e-3)


def test_a_student_trains_on_views(folder: Path, views: Path, tmp_path: Path) -> None:
    asked = recipe.read_recipe("student", epochs=2, changes=TRAINED)
    best = fit(asked, Run(tmp_path / "student", {"main": folder, "views": views}, progress=False))
    assert checkpoint.load_checkpoint(best).contract.labels == ferplus.LABELS


def test_views_of_other_pictures_or_none_are_refused(folder: Path, views: Path, split: sources.Split) -> None:
    with pytest.raises(InvalidInputError, match="other pictures"):
        stored_views.load_views(views, split.check, 1.0)
    with pytest.raises(InvalidInputError, match="no views"):
        stored_views.load_views(folder, split.train, 1.0)
    with pytest.raises(UsageError, match="views named views"):
        fit(recipe.read_recipe("student", changes=TRAINED), Run(folder / "x", {"main": folder}, progress=False))
    with pytest.raises(InvalidInputError, match="views of other"):
        distil.make_views(
            views, split.check, [], recipe.read_recipe("two_heads").stages[0].augmentation, size=48, views=1
        )
    with pytest.raises(InvalidInputError, match="neither net-best"):
        load_teacher(folder, split.train)


def test_a_packaged_model_teaches_the_labels_that_it_knows(folder: Path, split: sources.Split, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main,
        f"distil --recipe two_heads --data {folder} --teacher ferplus --mirrored --views 1 "
        f"-o {tmp_path / 'views'} --device cpu --json",
    )
    assert done.exit_code == 0, done.output
    pixels, wanted, _ = stored_views.load_views(tmp_path / "views", split.train, 0.75)
    labels = targets(split.train)
    # The seven labels of FER2013 are unknown to this teacher: they stay what they were.
    assert torch.equal(wanted[:, 8:], labels[:, 8:])
    with torch.inference_mode():
        packaged = checkpoint.load_checkpoint(checkpoint.named("ferplus")).module()
        plain = [packaged(seen)[1].softmax(1) for seen in (pixels[:16].float(), pixels[:16].flip(3).float())]
    said, mass = sum(plain) / 2, labels[:16, :8].sum(1, keepdim=True)
    # Half precision, where the machine computes in it, moves the answers.
    torch.testing.assert_close(wanted[:16, :8], said * (1 - 0.25 * mass) + 0.25 * labels[:16, :8], atol=0.03, rtol=0)


def test_two_packaged_models_teach_both_sets_of_labels(split: sources.Split) -> None:
    teachers = [load_teacher(checkpoint.named(name), split.train) for name in ("ferplus", "fer2013")]
    pictures = split.train.pixels[:8].float()
    said = answers(teachers, pictures)
    assert said[:, :8].sum(1).allclose(torch.ones(()), atol=1e-3)
    assert said[:, 8:].sum(1).allclose(torch.ones(()), atol=1e-3)
    alone = answers(teachers[1:], pictures)
    torch.testing.assert_close(said[:, 8:], alone[:, 8:])
    assert not alone[:, :8].any()


def test_a_teacher_of_other_labels_is_refused(split: sources.Split, tmp_path: Path) -> None:
    other = make_checkpoint(num_classes=8)
    cats = Checkpoint(other.contract.but(labels=tuple(f"cat {number}" for number in range(8))), other.state)
    checkpoint.save(cats, tmp_path / "cats.safetensors")
    with pytest.raises(InvalidInputError, match=r"answers cat 0, .*, and the labels here are"):
        load_teacher(tmp_path / "cats.safetensors", split.train)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("data.kind=folder", "label the same pictures"),
        ("data.split=shuffled", "usage"),
        ("stages.0.loss.name=nll", "two heads"),
        ("data.other.loss.name=nll", "second head"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(change: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        recipe.read_recipe("two_heads", changes=("data.protocol=majority", change))
