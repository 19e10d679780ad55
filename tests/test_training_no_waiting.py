"""No part of a training step makes the host wait for a GPU, which is pretended here (`pretended_gpu.py`)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import LABELS
from pretended_gpu import pretended_gpu
from torch import Tensor, nn

from fer_export.data.fer2013 import LABELS as SEVEN
from training import augment, device
from training.augment import Augmentation
from training.augment.jpeg import _table
from training.data.faces import Faces, Labelling
from training.fit import optimization
from training.fit.lightning_module import Fitting
from training.fit.multi_head import heads
from training.fit.online_teachers import OnlineTeachers
from training.fit.side_by_side import SideBySide
from training.fit.teachers import Part, Teacher, teacher_of
from training.fit.weight_average import move
from training.recipe import read_recipe

EVERYTHING = Augmentation(
    rotate=15, scale=0.1, shift=0.1, shear=10, crop=4, resized_crop=0.5, sharpness=0.5, autocontrast=0.5,
    brightness=0.3, contrast=0.3, blur=0.5, noise=0.5, jpeg=0.5,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _tables() -> None:
    """Forget tables on a pretended device."""
    _table.cache_clear()


def test_what_makes_the_host_wait_is_seen() -> None:
    with pretended_gpu() as waits:
        there = torch.rand(4, 2, device="cuda")
        assert not waits
        torch.tensor([1.0, 2.0], device="cuda")
        there[:, [0]]
        there.cpu()
        with pytest.raises(Exception, match="_local_scalar_dense"):
            there.sum().item()
        with pytest.raises(Exception, match="nonzero"):
            there[there.sum(1) > 0]
        assert len(waits) >= 5, waits


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_and_mixup(channels: int) -> None:
    with pretended_gpu() as waits:
        pictures = torch.zeros(8, channels, 48, 48, dtype=torch.uint8, device="cuda")
        targets = torch.rand(8, 5, device="cuda")
        # The tables of JPEG are copied once in a process.
        augment.augment(pictures, EVERYTHING)
        waits.clear()
        changed = augment.augment(pictures.float(), EVERYTHING, 64)
        mixed, told = augment.mixup(changed, targets, 0.2)
        assert (mixed.device.type, mixed.shape, told.shape) == ("cuda", (8, channels, 64, 64), (8, 5))
        assert waits == []
    _table.cache_clear()


class _Small(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.dropout, self.head = nn.Dropout(0.1), nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.features(x).mean((2, 3))))
        return logits


@pytest.mark.parametrize("name", ["gpu_teacher", "gpu_student", "two_heads_robust", "resnet9"])
def test_a_whole_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views, teachers, loss, clipping and average, as Lightning calls them in turn."""
    recipe = read_recipe(name)
    (stage,) = recipe.stages
    size, two = recipe.size, bool(recipe.second)
    labels = (LABELS, SEVEN) if two else (LABELS,)
    width = sum(len(each) for each in labels)
    seen: list[Tensor] = []
    # Pretended tensors cannot be exchanged for others, and these are on their device already.
    monkeypatch.setattr(nn.Module, "to", lambda module, *_, **__: module)
    # Which precision pays is asked of the device itself, once for each step, without waiting for it.
    monkeypatch.setattr(device, "bfloat16_pays", lambda _: True)
    with pretended_gpu() as waits, torch.device("cuda"):
        faces = _faces(labels)
        nets = SideBySide({"a": _Small(width), "b": _Small(width)}) if stage.online else _Small(width)
        taught = None
        if stage.online:
            about = [teacher_of(_Small(width), recipe, faces, {}) for _ in range(2)]
            # One whose labels are in another order than the student's.
            mixed = Teacher(about[0].net, (Part((1, 0, 2, 3, 4, 5, 6, 7), 0, 8),), (size, size), {})
            taught = OnlineTeachers([*about, mixed], [len(each) for each in labels], stage.taught)
        both = heads(recipe.data, stage, faces)
        module = Fitting(nets.train(), recipe, stage, steps=10, heads=both, taught=taught)
        monkeypatch.setattr(module.watch, "see", lambda loss, epoch, step: seen.append(loss))
        optimizer = optimization.optimizer(module.net, stage)
        average = [value.detach().clone() for value in module.net.state_dict().values()]
        pixels = torch.zeros(8, 1, size, size, dtype=torch.uint8)
        wanted = torch.rand(8, width)
        for step in range(2):
            # JPEG's tables are copied once in a process.
            if step:
                waits.clear()
            loss = module.training_step((pixels, wanted), step)
            # Torch's autograd and its fused optimizer, which are not ours to test, want a real device.
            for parameter in module.net.parameters():
                parameter.grad = torch.zeros_like(parameter)
            module.configure_gradient_clipping(optimizer, stage.clip, "norm")
            optimizer.zero_grad()
            move(average, list(module.net.state_dict().values()), 0.1)
        assert loss.device.type == "cuda"
    assert len(seen) == 2
    assert waits == []
    _table.cache_clear()


def _faces(sets: tuple[tuple[str, ...], ...]) -> Faces:
    """Return two rows, of which only the labels are looked at."""
    first, *more = sets
    other = Labelling("FER2013", "none", more[0], torch.zeros(2, len(more[0]))) if more else None
    return Faces(
        "FER+", "none", first, torch.zeros(2, 1, 48, 48), torch.zeros(2, len(first)), np.array(["Training"] * 2),
        ("a", "b"), other,
    )  # fmt: skip
