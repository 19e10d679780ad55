"""These tests check teachers that answer in every step: what the student is told, and the commands around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint
from torch import nn

from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.packaged import named
from training.__main__ import main
from training.data.drawn import draw_faces as drawn
from training.data.faces import Faces, Labelling
from training.data.sources import Split
from training.fit.initial_net import initial_net
from training.fit.joined_teacher import joined
from training.fit.online_teachers import OnlineTeachers
from training.fit.teachers import Part, Teacher, answers, blend, load_teacher, load_teachers
from training.recipe import read_recipe
from training.weights.shorten import shorten


class _Brightness(nn.Module):
    """Answers two classes: how bright a picture is, and the rest."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        share = pictures.mean((1, 2, 3)) / 255
        return torch.stack([share, 1 - share], 1).clamp_min(1e-6).log()


def _teacher(start: int = 0) -> Teacher:
    return Teacher(_Brightness(), (Part((0, 1), start, start + 2),), None, {"recipe": "brightness", "seed": 0})


def test_the_student_is_told_what_the_teacher_says_of_that_very_picture() -> None:
    pictures = torch.stack([torch.full((1, 8, 8), value) for value in (0.0, 51.0, 204.0)])
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    told = OnlineTeachers([_teacher()], [2], share=0.5).targets(pictures, labels)
    # The third row has no label, so the teacher alone speaks.
    torch.testing.assert_close(told, torch.tensor([[0.0, 1.0], [0.6, 0.4], [0.8, 0.2]]), atol=1e-4, rtol=0)


def test_a_set_that_no_teacher_knows_keeps_its_labels() -> None:
    labels = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    said = torch.tensor([[0.25, 0.75, 0.0, 0.0]])
    assert blend(labels, said, [2, 2], 1.0).tolist() == [[0.25, 0.75, 0.0, 1.0]]


def _two_labels(faces: Faces) -> Faces:
    """Give drawn faces the two packaged models' sets of labels."""
    first, second = (load_labels(name) for name in ("ferplus", "fer2013"))
    other = Labelling("FER2013", "by nobody", second, torch.zeros(len(faces), len(second)))
    return replace(faces, labels=first, targets=torch.zeros(len(faces), len(first)), other=other)


def load_labels(name: str) -> tuple[str, ...]:
    return checkpoint.load_checkpoint(named(name)).contract.labels


def test_the_two_packaged_models_are_run_as_one_teacher() -> None:
    faces = _two_labels(drawn(8, 8))
    apart = [load_teacher(named(name), faces) for name in ("ferplus", "fer2013")]
    (both,) = load_teachers([named("ferplus"), named("fer2013")], faces)
    assert [(part.start, part.stop) for part in both.parts] == [(0, 8), (8, 15)]
    pictures = faces.pixels[:4].float()
    with torch.inference_mode():
        seen = both.net(pictures)
        for part, one in zip(both.parts, apart, strict=True):
            wanted = one.net(pictures)[:, list(one.parts[0].own)].softmax(1)
            assert (seen[:, list(part.own)].softmax(1) - wanted).abs().max() < 0.05


def test_nets_of_different_trainings_stay_two() -> None:
    one, other = make_checkpoint().module().net, make_checkpoint().module().net
    with torch.no_grad():
        other.stages[3].first[0].weight.add_(0.1)
    assert joined(one, other, (48, 48)) is None


def test_shortened_net_has_the_weights_of_the_first_blocks() -> None:
    whole = checkpoint.load_checkpoint(named("ferplus"))
    short = shorten(whole, (1, 2, 1))
    assert short.contract.architecture.arguments["blocks"] == (1, 2, 1)
    assert short.contract.training is not None and "shortened to 1, 2, 1 blocks" in short.contract.training.note
    assert short.contract.metrics == () and short.contract.calibration is None
    # Whole: blocks 0 1 | 2 3 | 4 5; short: 0 | 2 3 | 4.
    for new, old in enumerate((0, 2, 3, 4)):
        name = "first.0.weight"
        assert torch.equal(short.state[f"stages.{new}.{name}"], whole.state[f"stages.{old}.{name}"])
    short.module()(torch.zeros(1, 1, 48, 48))


@pytest.mark.parametrize("blocks", [(1, 1), (0, 1, 1), (1, 1, 3)])
def test_blocks_that_are_not_there_are_refused(blocks: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="blocks"):
        shorten(checkpoint.load_checkpoint(named("ferplus")), blocks)


def test_a_net_without_blocks_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="plain_cnn has no blocks"):
        shorten(make_checkpoint(architecture="plain_cnn"), (1,))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a short run on drawn faces."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    _fit(folder)
    return folder


def _fit(folder: Path, *more: str, code: int = 0) -> str:
    arguments = ["fit", "--recipe", "drawn", "--limit", "128", "-o", str(folder)]
    epochs = [] if "--epochs" in more else ["--epochs", "1"]
    done = CliRunner().invoke(main, [*arguments, *epochs, *more])
    assert done.exit_code == code, done.output
    return done.output


def test_a_run_learns_from_its_teachers_answers_to_what_it_sees(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    real = OnlineTeachers.targets

    def spy(self: OnlineTeachers, pictures: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        told = real(self, pictures, labels)
        asked.append((pictures, labels, told))
        return told

    monkeypatch.setattr(OnlineTeachers, "targets", spy)
    mixing = ["--set", "stages.0.mixup=0.4", "--set", "stages.0.taught=1.0", "--set", "stages.0.online=mirrored"]
    _fit(tmp_path / "run", *mixing, "--teacher", str(teacher))
    assert len(asked) == 2
    (one,) = load_teachers([teacher], drawn(128, 8))
    for pictures, labels, told in asked:
        assert ((labels > 0) & (labels < 1)).any(), "the labels were mixed"
        torch.testing.assert_close(told, answers([one], pictures, mirrored=True), atol=1e-5, rtol=0)
    training = checkpoint.load_checkpoint(tmp_path / "run" / "best.safetensors").contract.training
    assert training is not None and "taught in every step by drawn (seed 0)" in training.note


def test_a_resumed_run_keeps_its_teachers(teacher: Path, tmp_path: Path) -> None:
    folder, online = tmp_path / "run", ["--set", "stages.0.online=plain"]
    _fit(folder, *online, "--teacher", str(teacher))
    other = checkpoint.load_checkpoint(teacher / "best.safetensors")
    moved = {**other.state, "head.bias": other.state["head.bias"] + 1}
    checkpoint.save(
        Checkpoint(other.contract.but(weights_sha256=checkpoint.weights_sha256(moved)), moved),
        tmp_path / "b.safetensors",
    )
    again = ["--resume", "--epochs", "2", *online]
    assert "taught by other teachers" in _fit(folder, *again, "--teacher", str(tmp_path / "b.safetensors"), code=4)
    _fit(folder, *again, "--teacher", str(teacher))


def test_teachers_and_recipe_have_to_agree(teacher: Path, tmp_path: Path) -> None:
    online = ["--set", "stages.0.online=plain"]
    assert "learns from teachers in every step" in _fit(tmp_path / "a", *online, code=2)
    assert "no stage of recipe drawn learns" in _fit(tmp_path / "b", "--teacher", str(teacher), code=2)
    assert "neither with stored views" in _fit(tmp_path / "c", *online, "--set", "stages.0.views=v", code=4)


def test_a_net_with_two_heads_starts_from_both(tmp_path: Path) -> None:
    faces = _two_labels(drawn(8, 8))
    shorts = [shorten(checkpoint.load_checkpoint(named(name)), (1, 1, 1)) for name in ("ferplus", "fer2013")]
    recipe, split = read_recipe("short"), Split(faces, faces, "drawn")
    net, note = initial_net(recipe, split, 15, init=shorts)
    state = net.state_dict()
    assert torch.equal(state["head.weight"], torch.cat([one.state["head.weight"] for one in shorts]))
    assert "as the first head" in note and "as the second head" in note
    with pytest.raises(InvalidInputError, match="both checkpoints of --init are the first head"):
        initial_net(recipe, split, 15, init=[shorts[0], shorts[0]])
    strange = {**shorts[1].state, "stem.0.0.weight": shorts[1].state["stem.0.0.weight"] + 1}
    with pytest.raises(InvalidInputError, match="different trainings"):
        initial_net(recipe, split, 15, init=[shorts[0], Checkpoint(shorts[1].contract, strange)])
