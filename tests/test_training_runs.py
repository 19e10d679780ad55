"""These tests check runs: what they write, that they resume, and that two processes compute what one does."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import ROOT, SHARED

from fer_export.convert import onnx, tfjs
from fer_export.errors import InvalidInputError, MissingDependencyError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.packaged import named
from fer_export.runtimes.tfjs import Browser
from training import recipe
from training.__main__ import main
from training.data import drawn, sources
from training.data.faces import PUBLIC, TRAINING
from training.fit.run import Run, fit
from training.fit.teachers import load_teacher
from training.measure import evaluation
from training.provenance import contract_for, only_drawn
from training.report.run_report import write_run_report
from training.tune import Pruning
from training.weights import distil

#: Where the real pictures are absent, the same recipes run on drawn ones.
REAL = (SHARED / "data" / "fer2013.csv.xz").exists()
DATA = {"main": SHARED / "data"}
SMALL = ("stages.0.batch=16",)


def call(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m training` in a process of its own."""
    command = [sys.executable, "-m", "training", *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, env={**os.environ, **variables}
    )


def invoke(*arguments: object) -> Result:
    """The same in this process, where imports are done."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def history(folder: Path) -> list[dict[str, str]]:
    """metrics.csv of a run."""
    with (folder / "metrics.csv").open(encoding="utf-8") as text:
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs on a few drawn faces."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    fit(
        recipe.read_recipe("drawn", epochs=2, changes=SMALL),
        Run(folder, limit=128, progress=False, finish=write_run_report),
    )
    return folder


# What a run leaves


@pytest.mark.parametrize(("name", "synthetic"), [("drawn", True), ("fernet", False)])
def test_only_drawn_faces_are_synthetic_data(name: str, synthetic: bool) -> None:
    """And not a few real pictures, for trying out: the page warns of the one and not of the other."""
    faces = drawn.draw_faces(24, 12)
    split = sources.limited(sources.Split(faces.of(TRAINING), faces.of(PUBLIC), PUBLIC), 6)
    asked = recipe.read_recipe(name)
    training = contract_for(asked, split, synthetic=only_drawn(asked, 0, [])).training
    assert training is not None
    assert "only 6 pictures, for trying out" in training.note
    assert training.synthetic == synthetic


def test_a_run_leaves_best_and_last_in_both_formats(run: Path) -> None:
    for name in ("best", "last"):
        for ending in (".safetensors", ".pth"):
            loaded = checkpoint.load_checkpoint(run / f"{name}{ending}")
            assert loaded.contract.labels == drawn.LABELS
            assert loaded.contract.training is not None
            assert loaded.contract.training.synthetic
            assert "knows no real face" in loaded.contract.training.note
            assert "only 128 pictures" in loaded.contract.training.note
            assert {metric.name for metric in loaded.contract.metrics} == {"accuracy", "macro_f1"}
            loaded.module()


def test_a_run_leaves_its_settings_its_history_and_its_report(run: Path) -> None:
    assert recipe.read_recipe(str(run / "recipe.yaml")) == recipe.read_recipe("drawn", epochs=2, changes=SMALL)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"].startswith("2.")
    rows = history(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and float(row["seconds"]) > 0 for row in rows)
    for name in ("report.html", "history.png", "confusion.png", "reliability.png", "mistakes.png"):
        assert (run / name).stat().st_size > 1000
    assert (run / "classification_report.txt").read_text()
    assert list((run / "tensorboard").rglob("events.*"))


def test_a_folder_with_a_run_is_not_overwritten(run: Path) -> None:
    before = (run / "best.safetensors").read_bytes()
    with pytest.raises(InvalidInputError, match="already holds a run"):
        fit(recipe.read_recipe("drawn"), Run(run, progress=False))
    assert (run / "best.safetensors").read_bytes() == before


def test_the_figure_in_the_contract_is_the_checkpoints_own(run: Path) -> None:
    loaded = checkpoint.load_checkpoint(run / "best.safetensors")
    split = sources.limited(sources.load_split(recipe.read_recipe("drawn").data, {}), 128)
    result = evaluation.evaluate(loaded, split.check)
    named = {metric.name: metric for metric in loaded.contract.metrics}
    # Lightning checks in float32 too; one row may still fall on the other side.
    assert named["accuracy"].value == pytest.approx(result.accuracy, abs=1 / 128 + 1e-4)
    assert named["macro_f1"].value == pytest.approx(result.macro_f1, abs=0.02)
    assert named["accuracy"].samples == result.samples == len(split.check)


def test_the_pretrained_model_keeps_its_promise(fer2013_csv: Path) -> None:
    loaded = checkpoint.load_checkpoint(checkpoint.PRETRAINED)
    faces = sources.load_faces("ferplus", fer2013_csv, protocol="majority").of("PublicTest")
    result = evaluation.evaluate(loaded, faces)
    assert result.samples == 3199
    assert result.accuracy >= 0.87
    named = {metric.name: metric.value for metric in loaded.contract.metrics}
    assert named["accuracy"] == pytest.approx(result.accuracy, abs=0.003)


def test_drawn_faces_are_the_same_for_the_same_seed() -> None:
    pixels, labels = drawn.faces(12, 5)
    again, labels_again = drawn.faces(12, 5)
    other, _ = drawn.faces(12, 6)
    assert np.array_equal(pixels, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(pixels, other)
    assert pixels.shape == (12, 48, 48)


# Going on


def test_a_resumed_run_ends_where_an_unbroken_one_does(run: Path, tmp_path: Path) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    constant = [*SMALL, "stages.0.schedule.name=constant", "precision=float32"]
    two = recipe.read_recipe("drawn", epochs=2, changes=constant)
    fit(two, Run(unbroken, limit=64, progress=False))
    fit(recipe.read_recipe("drawn", epochs=1, changes=constant), Run(broken, limit=64, progress=False))
    fit(two, Run(broken, limit=64, progress=False, resume=True))
    first, second = (checkpoint.load_checkpoint(folder / "last.safetensors") for folder in (unbroken, broken))
    for name, tensor in first.state.items():
        torch.testing.assert_close(second.state[name], tensor, atol=1e-6, rtol=1e-5, msg=name)
    assert [row["epoch"] for row in history(broken)] == ["1", "2"]


def test_a_killed_run_goes_on_from_its_last_whole_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "training", "fit", "--recipe", "drawn", "--limit", "256", "-o", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "stages" / "0-fit" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (folder / "stages" / "0-fit" / "finished").exists(), "it ended before it could be killed"
    # This is what a run leaves that is killed after it wrote the row and before it wrote the state.
    with (folder / "metrics.csv").open("a") as text:
        text.write("6,fit,1,1,1,1,1,1\n")
    done = call("fit", "--recipe", "drawn", "--limit", "256", "-o", folder, "--resume", "--json", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert [row["epoch"] for row in history(folder)] == ["1", "2", "3", "4", "5", "6"]
    assert history(folder)[5]["loss"] != "1"


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing to resume"):
        fit(recipe.read_recipe("drawn"), Run(tmp_path, resume=True, progress=False))


def test_a_run_is_not_resumed_with_other_settings(run: Path) -> None:
    changed = recipe.read_recipe("drawn", epochs=3, changes=[*SMALL, "stages.0.optimizer.learning_rate=0.5"])
    with pytest.raises(InvalidInputError, match="other settings"):
        fit(changed, Run(run, resume=True, progress=False))


def test_a_second_run_starts_from_the_first_and_says_so(run: Path, tmp_path: Path) -> None:
    first = checkpoint.load_checkpoint(run / "last.safetensors")
    slow = recipe.read_recipe("drawn", epochs=1, changes=[*SMALL, "stages.0.optimizer.learning_rate=1e-6"])
    best = fit(slow, Run(tmp_path / "run", init=[first], limit=64, progress=False))
    second = checkpoint.load_checkpoint(best)
    assert second.contract.training is not None
    assert "started from recipe drawn, seed 0" in second.contract.training.note
    for name in first.state:
        if "weight" in name:
            torch.testing.assert_close(second.state[name], first.state[name], atol=1e-3, rtol=0)
    with pytest.raises(InvalidInputError, match="--init holds"):
        narrow = recipe.read_recipe("drawn", changes=["arguments={widths: [8, 8, 8]}"])
        fit(narrow, Run(tmp_path / "other", init=[first], progress=False))


# Stages


def test_stages_follow_each_other_and_resume_between_them(tmp_path: Path) -> None:
    changes = [
        "stages=[{name: first, epochs: 1, batch: 16, optimizer: {name: adam, learning_rate: 0.001}},"
        " {name: second, epochs: 2, batch: 16, start: last, train: [head],"
        " optimizer: {name: adamw, learning_rate: 0.001}, clip: 1.0, stop: 3, mixup: 0.2}]"
    ]
    two = recipe.read_recipe("drawn", changes=changes)
    folder = tmp_path / "run"
    fit(two, Run(folder, limit=64, progress=False))
    assert [row["stage"] for row in history(folder)] == ["first", "second", "second"]
    before = checkpoint.load_checkpoint(folder / "stages" / "0-first" / "last.safetensors")
    after = checkpoint.load_checkpoint(folder / "last.safetensors")
    stem = "stem.0.0.weight"
    assert torch.equal(before.state[stem], after.state[stem])
    assert not torch.equal(before.state["head.weight"], after.state["head.weight"])
    assert after.contract.training is not None
    assert "started from recipe drawn" in after.contract.training.note
    # As if it had been stopped in the second stage: the first one is not run again.
    (folder / "stages" / "1-second" / "finished").unlink()
    longer = two.model_copy(update={"stages": (two.stages[0], two.stages[1].model_copy(update={"epochs": 3}))})
    fit(longer, Run(folder, limit=64, progress=False, resume=True))
    assert [row["stage"] for row in history(folder)] == ["first", "second", "second", "second"]


def test_an_embedding_is_learnt_from_colours_and_classes_from_gray(weights: Path, tmp_path: Path) -> None:
    changes = ["size=64", "data={kind: folder}", "stages.2.data={kind: folder}"]
    read = recipe.read_recipe("gray_resnet50", epochs=1, changes=changes)
    stages = tuple(stage.model_copy(update={"batch": 8}) for stage in read.stages)
    data = {"main": class_folders(tmp_path / "faces", read)}
    run = Run(tmp_path / "run", data=data, weights=weights / "resnet50.pth", limit=16, progress=False)
    fit(read.model_copy(update={"stages": stages}), run)
    assert [row["stage"] for row in history(run.folder)] == ["gray", "fer", "wild"]
    assert not history(run.folder)[0]["accuracy"]
    # All that the first stage may move is the one-channel filter.
    first = checkpoint.load_checkpoint(run.folder / "stages" / "0-gray" / "best.safetensors").state
    given = torch.load(weights / "resnet50.pth", weights_only=True)
    assert torch.equal(first["layer1.0.conv1.weight"], given["layer1.0.conv1.weight"])
    assert first["conv1.weight"].shape[1] == 1
    assert not torch.equal(first["conv1.weight"], given["conv1.weight"].mean(1, keepdim=True))


def test_classes_can_be_merged_weighed_and_balanced(tmp_path: Path) -> None:
    changes = [*SMALL, "data.merge={upset: [sadness, anger]}", "data.balance=true", "stages.0.loss.weighted=true"]
    best = fit(recipe.read_recipe("drawn", epochs=1, changes=changes), Run(tmp_path / "run", limit=64, progress=False))
    contract = checkpoint.load_checkpoint(best).contract
    assert "upset" in contract.labels
    assert "anger" not in contract.labels
    assert contract.training is not None
    assert "sadness + anger as upset" in contract.training.protocol
    measured = invoke("evaluate", "--ckpt", best, "--kind", "drawn", "--merge", "upset=sadness,anger", "--json")
    assert json.loads(measured.stdout)["samples"] == 500, measured.stderr
    assert invoke("evaluate", "--ckpt", best, "--kind", "drawn", "--merge", "upset").exit_code == 2


def test_leaks_are_dropped_by_one_option(fer2013_csv: Path, tmp_path: Path) -> None:
    common = ["fit", "--recipe", "simple_cnn", "--data", fer2013_csv, "--limit", 64, "--epochs", 1, "--json"]
    done = invoke(*common, "--drop-leaks", "-o", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    contract = checkpoint.load_checkpoint(tmp_path / "run" / "best.safetensors").contract
    assert contract.training is not None
    assert "351 training pictures that copy a checked one (exact) were left out" in contract.training.note


# Many processes


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    # No batch norm, no dropout, no augmentation: nothing depends on who sees which rows.
    # SGD, since Adam blows rounding up where gradients are tiny.
    settings = [
        "precision=float32",
        "data.kind=drawn",
        "stages.0.augmentation.flip=0",
        "stages.0.batch=32",
        "stages.0.optimizer={name: sgd, learning_rate: 0.05}",
    ]
    common = ["--recipe", "simple_cnn", "--epochs", 2, "--limit", 64, "--json"]
    for setting in settings:
        common += ["--set", setting]
    for processes in (1, 2):
        done = call("fit", *common, "-o", tmp_path / str(processes), "--devices", processes, OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ok"]
    one, two = (checkpoint.load_checkpoint(tmp_path / name / "last.safetensors") for name in ("1", "2"))
    for name, tensor in one.state.items():
        torch.testing.assert_close(two.state[name], tensor, atol=1e-5, rtol=1e-3, msg=name)
    for first, second in zip(history(tmp_path / "1"), history(tmp_path / "2"), strict=True):
        assert float(second["val_loss"]) == pytest.approx(float(first["val_loss"]), rel=1e-4)
        assert second["accuracy"] == first["accuracy"]


def test_an_error_in_many_processes_is_an_error(tmp_path: Path) -> None:
    done = call("fit", "--recipe", "fer2013-that-is-not", "-o", tmp_path / "run", "--devices", 2)
    assert done.returncode != 0
    assert "no recipe" in done.stderr


# Every recipe


#: Changes that make a few steps show progress: smaller pictures than the recipe's; larger rates where nine steps at
#: the recipe's own are too few beside dropout and augmentation; a smaller rate where a wide net starts too fast.
QUICK = {
    "face_pretrained": ("size=80", "stages.0.optimizer.learning_rate=0.01"),
    "resnet18_gray": ("size=64",),
    "resnet50": ("size=64",),
    "teacher": ("stages.0.optimizer.learning_rate=0.02", "arguments.widths=[16, 32, 48]"),
    # Its rate is for batches of 512, and these are of 16.
    "gpu_teacher": ("stages.0.optimizer.learning_rate=0.006",),
    "gray_resnet50": ("size=64", "arguments.dropout=0.0", "stages.2.optimizer.learning_rate=0.001"),
    "torchvision:mobilenet_v3_small": ("size=64",),
}
NAMES = [name if name != recipe.TORCHVISION else "torchvision:mobilenet_v3_small" for name in recipe.names()]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Local files in place of the downloads: the nets' own layers, random numbers."""
    import torchvision
    from facenet_pytorch import InceptionResnetV1

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("resnet18", "resnet50", "mobilenet_v3_small"):
        torch.save(torchvision.models.get_model(name).state_dict(), folder / f"{name}.pth")
    face = InceptionResnetV1(classify=True, num_classes=8631)
    torch.save(face.state_dict(), folder / "face.pth")
    return folder


FILES = {
    "face_pretrained": "face",
    "resnet18_gray": "resnet18",
    "resnet50": "resnet50",
    "gray_resnet50": "resnet50",
    "torchvision:mobilenet_v3_small": "mobilenet_v3_small",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_learns_and_goes_down_the_road(name: str, weights: Path, tmp_path: Path, browser: Browser) -> None:
    changes = list(QUICK.get(name, ()))
    if not REAL:
        # Drawn faces have one set of labels, and so no teachers.
        changes += ["data={kind: drawn}", "stages.0.views=''", "stages.0.online=''"]
    # fernet's rate rises for two epochs first.
    read = recipe.read_recipe(
        name, epochs=8 if recipe.read_recipe(name).architecture == "fernet" else 3, changes=changes
    )
    batches = tuple(stage.model_copy(update={"batch": 16}) for stage in read.stages)
    data = {**DATA, "wild": class_folders(tmp_path / "wild", read), "views": taught(tmp_path, read)}
    online = any(stage.online for stage in read.stages)
    run = Run(
        tmp_path / "run",
        data=data,
        weights=weights / f"{FILES[name]}.pth" if name in FILES else None,
        teachers=[named("ferplus"), named("fer2013")] if online else (),
        limit=48,
        progress=False,
    )
    best = fit(read.model_copy(update={"stages": batches}), run)
    for stage in read.stages:
        losses = [float(row["loss"]) for row in history(run.folder) if row["stage"] == stage.name]
        assert min(losses[1:]) < losses[0], stage.name
    trained = checkpoint.load_checkpoint(best)
    onnx.export(trained.module(), trained.contract, tmp_path / "fer.onnx")
    model, contract = load_onnx(tmp_path / "fer.onnx")
    tfjs.export(model, contract, tmp_path / "web", browser=browser)


def taught(folder: Path, read: recipe.Recipe) -> Path:
    """Views by a teacher that has hardly learned, for the recipe that trains on views."""
    if any(stage.views for stage in read.stages):
        first = recipe.read_recipe("two_heads", epochs=1, changes=("stages.0.batch=16", "stages.0.schedule.warmup=0"))
        fit(first, Run(folder / "teacher", data=DATA, limit=48, progress=False))
        faces = sources.limited(sources.load_split(read.data, DATA), 48).train
        teacher = load_teacher(folder / "teacher", faces)
        distil.make_views(folder / "views", faces, [teacher], first.stages[0].augmentation, size=48, views=2)
    return folder / "views"


def class_folders(folder: Path, read: recipe.Recipe) -> Path:
    """Drawn faces in folders named as FER2013's classes, for the recipe that ends on wild photos."""
    from PIL import Image

    from fer_export.data import fer2013

    if not any(stage.data and stage.data.kind == "folder" for stage in read.stages):
        return folder
    names = fer2013.LABELS if REAL else drawn.LABELS
    pixels, _ = drawn.faces(60, seed=3)
    for index, face in enumerate(pixels):
        place = folder / "train" / names[index % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(place / f"{index}.png")
    return folder


def test_pretrained_weights_that_cannot_be_had_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    read = recipe.read_recipe("resnet18_gray", changes=["data={kind: drawn}", "size=64"])
    with pytest.raises(MissingDependencyError) as caught:
        fit(read, Run(tmp_path / "run", limit=32, progress=False))
    assert "--weights" in str(caught.value.hint)
    assert not (tmp_path / "run" / "best.safetensors").exists()


# Errors


def test_a_recipe_without_its_data_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has to be somewhere") as caught:
        fit(recipe.read_recipe("fernet"), Run(tmp_path / "run", progress=False))
    assert "--data" in str(caught.value.hint)
    done = invoke("fit", "--recipe", "fernet", "--data", tmp_path)
    assert done.exit_code == 4
    assert done.stderr.startswith("error: ")
    assert "fer2013.csv" in done.stderr
    assert "Traceback" not in done.stderr


# Search


def test_a_search_ends_bad_trials_resumes_and_leaves_a_recipe(tmp_path: Path) -> None:
    common = ["tune", "--recipe", "drawn", "-o", tmp_path, "--epochs", 1, "--limit", 32, "--json"]
    first = invoke(*common, "--trials", 1)
    assert first.exit_code == 0, first.stderr
    again = invoke(*common, "--trials", 2)
    assert json.loads(again.stdout)["trials"] == 2, again.stderr
    with (tmp_path / "trials.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert [row["trial"] for row in rows] == ["0", "1"]
    best = recipe.read_recipe(str(tmp_path / "best.yaml"))
    found = json.loads(again.stdout)["best"]["params"]
    assert best.stages[0].batch == found["stages.0.batch"]
    assert best.stages[0].optimizer.learning_rate == pytest.approx(found["stages.0.optimizer.learning_rate"])
    shutil.rmtree(tmp_path / f"trial-{json.loads(again.stdout)['best']['trial']}")


def test_a_trial_that_its_pruner_gives_up_ends_at_once(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=1.1))
    trial = study.ask()
    run = Run(tmp_path / "run", limit=32, progress=False, callbacks=(Pruning(trial),))
    with pytest.raises(optuna.TrialPruned):
        fit(recipe.read_recipe("drawn", epochs=3), run)
    assert list(study.trials[0].intermediate_values) == [0]


def test_a_stage_stops_early_when_its_check_gets_no_better(tmp_path: Path) -> None:
    # At this rate the net learns nothing that could be measured.
    changes = ["stages.0.optimizer.learning_rate=1e-30", "stages.0.stop=1", "stages.0.ema=0", "stages.0.batch=16"]
    run = Run(tmp_path / "run", limit=32, progress=False)
    fit(recipe.read_recipe("drawn", epochs=9, changes=changes), run)
    assert len(history(run.folder)) < 9


def test_a_search_needs_a_storage_that_opens(tmp_path: Path) -> None:
    done = invoke("tune", "--recipe", "drawn", "-o", tmp_path, "--storage", "nowhere://x")
    assert done.exit_code == 4
    assert "cannot open the storage" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_storage_whose_driver_is_not_installed_names_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("psycopg2"):
        pytest.skip("psycopg2 is installed here")
    done = invoke("tune", "--recipe", "drawn", "-o", tmp_path, "--storage", "postgresql+psycopg2://fer@localhost/x")
    assert done.exit_code == 3
    assert "pip install psycopg2" in done.stderr
