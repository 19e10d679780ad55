"""No part of a training step makes the host wait for a GPU, which is pretended here (`pretended_gpu.py`)."""

from __future__ import annotations

import pytest
import torch
from pretended_gpu import pretended_gpu

from training import augment
from training.augment import Augmentation
from training.augment.jpeg import _table

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
