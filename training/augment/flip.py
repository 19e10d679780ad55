"""Mirror images."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws, warp


def flip_by(pixels: Tensor, mirrored: Tensor) -> Tensor:
    """Left for right, in the pictures that `mirrored`, bool [N], says."""
    return torch.where(mirrored.to(pixels.device)[:, None, None, None], pixels.flip(3), pixels)


def draw(count: int, probability: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """bool [N]: which ones."""
    return draws.chosen(count, probability, generator, device)


def maps(mirrored: Tensor) -> Tensor:
    """bool [N] → maps for `warp`."""
    still = torch.zeros(len(mirrored), device=mirrored.device)
    return warp.scaling(1 - 2 * mirrored.float(), 1.0, still, still)
