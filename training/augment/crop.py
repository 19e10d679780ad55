"""This module pads a picture and cuts a window of the picture's own size out of it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws
from training.augment.warp import Fill, scaling, warp


def crop_by(pixels: Tensor, top: Tensor, left: Tensor, padding: int, *, fill: Fill = "border") -> Tensor:
    """Pad all four sides, then cut out a window as large as the picture was.

    Args:
        pixels: [N, C, H, W] in 0–255.
        top, left: [N], corner of the window in the padded picture, 0 to 2 · padding pixels.
        padding: pixels on each side.
        fill: what the padding holds: the repeated `border` (torchvision's "edge"), or a value (its "constant").

    Returns:
        float32 [N, C, H, W].
    """
    return warp(pixels, maps(top, left, padding), fill=fill)


def draw(
    count: int, padding: int, generator: Generator | None, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Draw top and left of N windows, int64 [N] each, all places equally likely."""
    limits = torch.full((count,), 2 * padding, device=device)
    return draws.whole(limits, generator), draws.whole(limits, generator)


def maps(top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Return the maps for `warp` that do what `crop_by` does with the same arguments: float32 [N, 3, 3]."""
    return scaling(1.0, 1.0, (left - padding).float(), (top - padding).float())
