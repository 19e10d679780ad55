"""This module mirrors pictures."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws, warp


def flip_by(pixels: Tensor, mirrored: Tensor) -> Tensor:
    """Swap left and right in the pictures where `mirrored`, bool [N], is true."""
    return torch.where(mirrored.to(pixels.device)[:, None, None, None], pixels.flip(3), pixels)


def draw(count: int, probability: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw which pictures to mirror: bool [N]."""
    return draws.chosen(count, probability, generator, device)


def maps(mirrored: Tensor) -> Tensor:
    """Return the maps for `warp` that do what `flip_by` does with the same argument: float32 [N, 3, 3]."""
    still = torch.zeros(len(mirrored), device=mirrored.device)
    return warp.scaling(1 - 2 * mirrored.float(), 1.0, still, still)
