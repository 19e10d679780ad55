"""These tests run the GPU's plan on a CPU, on pictures that they draw, and check its parts."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, present
from PIL import Image
from torch import nn

from fer_export.convert.onnx import export
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import load_checkpoint
from training.data import drawn, fer2013, ferplus
from training.fit import optimization
from training.fit.clock import Clock
from training.fit.errors import DivergedError, InterruptedRunError
from training.fit.lightning_module import Fitting
from training.fit.multi_head import heads, targets
from training.fit.side_by_side import SideBySide
from training.fit.teachers import load_teacher
from training.plan import carry
from training.plan import plan as plans
from training.plan.nets import STUDENTS, TEACHERS, Net
from training.plan.plan import Plan, run
from training.recipe import Recipe, Schedule, read_recipe

#: Packages that the lent machine lacks and that are not carried there.
ABSENT = (
    *("facenet_pytorch", "optuna", "playwright", "selenium"),
    *("pygments", "markdown_it"),
)
_HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a folder of two sheets: 96 pictures, every third of them PublicTest."""
    folder = tmp_path_factory.mktemp("sheets")
    pixels, classes = drawn.faces(96, 0)
    gray = np.zeros((120, 48, 48), np.uint8)
    gray[:96] = np.asarray(pixels)
    for number, part in enumerate((gray[:80], gray[80:])):
        whole = part.reshape(-1, 40, 48, 48).transpose(0, 2, 1, 3).reshape(-1, 40 * 48)
        Image.fromarray(whole).convert("RGB").save(folder / f"{number:02}.webp", lossless=True)
    emotion = (np.asarray(classes) % 7).astype(np.uint8)
    votes = np.zeros((96, 10), np.uint8)
    votes[np.arange(96), emotion] = 8
    votes[np.arange(96), (emotion + 1) % 8] = 2
    np.savez(folder / "labels.npz", emotion=emotion, training=np.arange(96) % 3 > 0, votes=votes)
    return folder


# Sheets


def test_sheets_are_read_with_both_sets_of_labels(sheets: Path) -> None:
    pixels, classes = drawn.faces(96, 0)
    hard, soft = fer2013.read_faces(sheets), ferplus.faces(sheets, "soft")
    assert np.array_equal(hard.pixels[:, 0], pixels)
    assert torch.equal(soft.pixels, hard.pixels)
    assert hard.classes.tolist() == [int(each) % 7 for each in classes]
    assert soft.targets[0].max() == pytest.approx(0.8)
    assert Counter(hard.split.tolist()) == {"Training": 64, "PublicTest": 32}
    assert len(soft.joined(hard)) == 96


def test_the_shared_sheets_are_the_csv(fer2013_csv: Path) -> None:
    folder = present("data/fer2013_sheets")
    for one, other in ((fer2013.read_faces(folder), fer2013.read_faces(fer2013_csv)),
                       (ferplus.faces(folder, "soft"), ferplus.faces(fer2013_csv, "soft"))):  # fmt: skip
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.targets, other.targets)
        assert np.array_equal(one.split, other.split)


@pytest.mark.parametrize("damage", ["sheet", "missing", "labels", "pickle", "narrow"])
def test_damaged_sheets_are_named(sheets: Path, tmp_path: Path, damage: str) -> None:
    for path in sheets.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    first, labels = tmp_path / "00.webp", tmp_path / "labels.npz"
    if damage == "sheet":
        first.write_bytes(b"RIFF" + bytes(40))
    elif damage == "missing":
        first.unlink()
    elif damage == "labels":
        labels.write_bytes(b"nothing")
    elif damage == "pickle":
        np.savez(labels, emotion=np.array([None]), training=np.ones(1), votes=np.ones((1, 10)))
    else:
        Image.new("RGB", (48, 48)).save(first)
    expected = {"missing": "pictures in 1 sheets", "narrow": "a sheet is 1920 wide"}.get(damage, "cannot read")
    with pytest.raises(InvalidInputError, match=expected):
        ferplus.faces(tmp_path, "soft")


# The clock


def test_the_schedule_follows_the_clock_and_not_the_steps() -> None:
    times = iter((0.0, 0.0, 5.0, 5.0, 20.0))
    clock = Clock(10, now=lambda: next(times))
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    record = optimization.schedule(optimizer, Schedule(name="cosine"), 1000, 10, clock=clock)
    assert record is not None
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(3):
        optimizer.step()
        record["scheduler"].step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1.0, 0.5, 0.5, 0.0])
    with pytest.raises(InvalidInputError, match="follows no clock"):
        optimization.schedule(optimizer, Schedule(name="step", at=(1,)), 10, 1, clock=clock)


# Side by side


def test_nets_side_by_side_learn_as_if_each_were_alone() -> None:
    recipe = read_recipe("drawn", changes=["stages.0.clip=0.01", "precision=float32"])
    (stage,) = recipe.stages
    faces = drawn.draw_faces(16, 4)
    batch = (faces.pixels[:8], targets(faces)[:8])

    def learned(nets: dict[str, nn.Module]) -> list[torch.Tensor]:
        whole = SideBySide(nets) if len(nets) > 1 else next(iter(nets.values()))
        module = Fitting(whole.train(), recipe, stage, steps=4, heads=heads(recipe.data, stage, faces))
        optimizer = optimization.optimizer(module.net, stage)
        for step in range(2):
            torch.manual_seed(step)
            module._losses(*module.views(*batch)).mean().backward()
            module.configure_gradient_clipping(optimizer, 0.01, "norm")
            optimizer.step()
            optimizer.zero_grad()
        return [value.clone() for net in nets.values() for value in net.parameters()]

    def fresh(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        width = len(faces.labels)
        return nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 8), nn.ReLU(), nn.Linear(8, width))

    apart = [*learned({"a": fresh(1)}), *learned({"b": fresh(2)})]
    for one, other in zip(learned({"a": fresh(1), "b": fresh(2)}), apart, strict=True):
        torch.testing.assert_close(one, other)


# The plan


def test_every_line_of_the_plan_runs_where_the_lent_machines_packages_alone_are(sheets: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    code = f"ABSENT = {ABSENT!r}\n{_HIDE}\nfrom training.__main__ import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "gpu-plan", sheets, "-o", out, "--tiny", "--seconds", "4", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    names = [net.name for net in (*TEACHERS, *STUDENTS)]
    rows = {row["net"]: row for row in said["nets"]}
    assert set(rows) == {*names, "teachers together"}
    assert all(0 <= row["ferplus"] <= 100 and 0 <= row["fer2013"] <= 100 for row in rows.values())
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line.get("net") for line in lines[1:-1]] == [row["net"] for row in said["nets"]]
    assert lines[0]["pictures"] == 32
    table = (out / "table.md").read_text("utf-8").splitlines()
    assert len(table) == 2 + len(rows)

    for net in STUDENTS:
        for place, kind in (("", ferplus.LABELS), ("fer2013", fer2013.LABELS)):
            path = out / net.name / place / "last.safetensors"
            held = load_checkpoint(path)
            assert path.stat().st_size < 6_000_000
            assert held.contract.labels == kind
            assert held.contract.architecture.name == net.architecture
            assert {metric.name for metric in held.contract.metrics} == {"accuracy", "macro_f1"}
            training = held.contract.training
            assert training is not None and "taught in every step by resnet18, vgg-0" in training.note
            assert held.module()(torch.zeros(1, 1, 48, 48))[0].shape == (1, len(kind))
    short = load_checkpoint(out / "fernet-short" / "last.safetensors").contract.training
    assert short is not None and "shortened to 1, 1, 1 blocks" in short.note
    # A teacher's folder teaches others.
    faces = ferplus.faces(sheets, "soft").joined(fer2013.read_faces(sheets))
    teacher = load_teacher(out / "vgg-1", faces, "last")
    assert [(part.start, part.stop) for part in teacher.parts] == [(0, 8), (8, 15)]
    assert teacher.about["seed"] == 1
    with pytest.raises(InvalidInputError, match="already holds a plan"):
        run(Plan(sheets, out))


SMALL = {"widths": (8, 8), "blocks": (1, 1)}
ONE = (Net("teacher", "conv_stack", SMALL), Net("other", "conv_stack", SMALL, seed=1, packed=False))
STUDENTS_NAMES = ("student-0", "student-1")
TWO = (Net("student-0", "conv_stack", SMALL), Net("student-1", "conv_stack", SMALL, seed=1))


def test_packed_nets_are_few_files_that_a_zip_gives_back(sheets: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    log = run(Plan(sheets, out, 2, tiny=True, pack=True, teachers=ONE, students=TWO, say=str))
    assert sorted(path.name for path in out.iterdir()) == [
        *("log.jsonl", "student-0.zip", "student-1.zip", "table.md", "teacher.zip")
    ]
    assert next(row for row in log.rows if row["net"] == "other").get("file") is None
    with zipfile.ZipFile(out / "student-1.zip") as archive:
        archive.extractall(tmp_path)
    held = load_checkpoint(tmp_path / "student-1" / "last.safetensors")
    export(held.module(), held.contract, tmp_path / "fer.onnx")
    assert (tmp_path / "fer.onnx").is_file()
    with zipfile.ZipFile(out / "teacher.zip") as archive:
        assert sorted(archive.namelist()) == ["teacher/net-last.safetensors", "teacher/recipe.yaml"]


def test_packed_the_whole_plan_is_eight_files() -> None:
    assert sum(net.packed for net in (*TEACHERS, *STUDENTS)) + len(("log.jsonl", "table.md")) <= 8


def test_a_plan_that_is_killed_leaves_what_was_finished(sheets: Path, tmp_path: Path) -> None:
    lines = itertools.count()

    def stop(_: str) -> None:
        # The second net is done.
        if next(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match=r"stopped; 2 finished net\(s\)"):
        run(Plan(sheets, tmp_path / "plan", 2, tiny=True, teachers=ONE, students=TWO, say=stop))
    there = sorted(path.name for path in (tmp_path / "plan").iterdir())
    assert there == ["log.jsonl", "other", "table.md", "teacher"]
    assert (tmp_path / "plan" / "table.md").read_text("utf-8").count("\n") >= 3
    load_checkpoint(tmp_path / "plan" / "teacher" / "last.safetensors")


def test_a_net_that_diverges_does_not_end_the_plan(sheets: Path, tmp_path: Path) -> None:
    wild = ["stages.0.clip=0", "stages.0.optimizer.learning_rate=1e+30", "stages.0.schedule={name: constant}"]
    log = run(Plan(sheets, tmp_path / "plan", 4, tiny=True, changes=wild, teachers=ONE, students=TWO, say=str))
    lines = [json.loads(line) for line in (log.folder / "log.jsonl").read_text("utf-8").splitlines()]
    failed = [line for line in lines if "error" in line]
    assert list(dict.fromkeys(tuple(line["nets"]) for line in failed)) == [("teacher",), ("other",), STUDENTS_NAMES]
    assert {line["learning_rate"] for line in failed} <= {1e30, 3e29}
    assert log.rows == []


def test_a_net_that_diverges_is_tried_again_with_a_smaller_rate(
    sheets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    real = plans.train

    def first_fails(recipe: Recipe, nets: dict[str, nn.Module], *rest: Any) -> Any:
        rates.append(recipe.stages[0].optimizer.learning_rate)
        if len(rates) == 1:
            raise DivergedError("the loss is not finite")
        return real(recipe, nets, *rest)

    monkeypatch.setattr(plans, "train", first_fails)
    log = run(Plan(sheets, tmp_path / "plan", 4, tiny=True, teachers=ONE[:1], students=TWO, say=str))
    assert rates == pytest.approx([0.2, 0.06, 0.3])
    assert [row["net"] for row in log.rows] == ["teacher", "student-0", "student-1"]


# What travels


def test_what_travels_is_counted_and_named(sheets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir(parents=True)
    (tmp_path / "wheels" / "old.whl").write_bytes(b"old")
    carried = carry.gather(sheets, tmp_path, packages=())
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {"00.webp", "01.webp", "labels.npz"}
    assert not any((tmp_path / "wheels").iterdir())
    assert carried.sheets == sum(path.stat().st_size for path in sheets.iterdir())
    assert carried.total < carry.LIMIT
    assert "gpu-plan .carry/sheets" in carry.command(Path(".carry"))
    monkeypatch.setattr(carry, "LIMIT", carried.total - 1)
    with pytest.raises(InvalidInputError, match="would travel"):
        carry.gather(sheets, tmp_path, packages=())
    with pytest.raises(InvalidInputError, match="holds no picture sheets"):
        carry.gather(tmp_path / "wheels", tmp_path / "x", packages=())
