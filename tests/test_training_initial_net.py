"""These tests check how a run starts from a checkpoint: its classes are matched by meaning, or it is refused."""

from __future__ import annotations

import pytest
import torch
from conftest import LABELS, make_checkpoint

from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.data import drawn
from training.data.aliases import matched
from training.data.faces import Faces, one_hot
from training.data.sources import Split
from training.fit.initial_net import initial_net
from training.recipe import Recipe

#: The labels of `make_checkpoint` as folders of FER2013's names would give them, in the order of `aliases.CANONICAL`.
FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
NETS = ("fernet", "plain_cnn", "simple_cnn", "emotion_cnn", "face_emotion_cnn", "face_emotion_cnn_attention", "resnet9")


def split(labels: tuple[str, ...]) -> Split:
    faces = drawn.draw_faces(train=16, check=8)
    relabelled = Faces(
        name="faces",
        protocol="p",
        labels=labels,
        pixels=faces.pixels,
        targets=one_hot(faces.classes.numpy() % len(labels), len(labels)),
        split=faces.split,
        where=faces.where,
    )
    return Split(relabelled, relabelled, "PublicTest")


def recipe_of(init: Checkpoint) -> Recipe:
    held = init.contract.architecture
    arguments = {name: value for name, value in held.arguments.items() if name != "num_classes"}
    stage = {"epochs": 1, "optimizer": {"learning_rate": 0.1}}
    return Recipe.model_validate(
        {"name": "x", "architecture": held.name, "arguments": arguments, "data": {"kind": "folder"}, "stages": [stage]}
    )


@pytest.mark.parametrize("architecture", NETS)
def test_the_classes_of_init_are_put_in_the_order_of_the_data(architecture: str) -> None:
    init = make_checkpoint(architecture)
    net, _ = initial_net(recipe_of(init), split(FOLDERS), len(FOLDERS), init=[init])
    pictures = torch.randn(4, 1, 48, 48)
    with torch.inference_mode():
        before, after = init.module().net(pictures), net.eval()(pictures)
    happy, own = FOLDERS.index("happy"), LABELS.index("happiness")
    torch.testing.assert_close(after[:, happy], before[:, own])
    order = [LABELS.index(name) for name in ("anger", "disgust", "fear", "happiness", "sadness", "surprise")]
    torch.testing.assert_close(after[:, :6], before[:, order])
    assert not torch.allclose(after, before)


def test_the_same_order_changes_nothing() -> None:
    init = make_checkpoint(widths=(8, 16, 24))
    net, _ = initial_net(recipe_of(init), split(LABELS), len(LABELS), init=[init])
    assert all(torch.equal(value, init.state[name]) for name, value in net.state_dict().items())


def test_other_classes_are_refused() -> None:
    init = make_checkpoint(widths=(8, 16, 24))
    with pytest.raises(InvalidInputError, match=r"--init answers neutral, .* labelled angry, .*, bored"):
        initial_net(recipe_of(init), split((*FOLDERS[:7], "bored")), len(FOLDERS), init=[init])


def test_labels_are_matched_by_name_and_alias() -> None:
    assert matched(("happiness", "anger"), ("angry", "happy")) == [1, 0]
    assert matched(("b", "a"), ("a", "b")) == [1, 0]
    assert matched(("joy", "happy"), ("happy", "joy")) == [1, 0]
    assert matched(("joy", "happy"), ("happy", "sad")) is None
    assert matched(("happy",), ("happy", "sad")) is None
