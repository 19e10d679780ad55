"""A window of the picture's own size out of the padded picture."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws
from training.augment.warp import Fill, scaling, warp


def crop_by(pixels: Tensor, top: Tensor, left: Tensor, padding: int, *, fill: Fill = "border") -> Tensor:
    """Pad all four sides, then cut out a window as large as the picture was.

    Args:
        pixels: [N, C, H, W] in 0–255.
        top, left: [N], of the window in the padded picture, pixels from 0 to 2 · padding.
        padding: pixels.
        fill: of the padding: the repeated `border` (torchvision's "edge"), or a value (its "constant").

    Returns:
        float32 [N, C, H, W].
    """
    return warp(pixels, maps(top, left, padding), fill=fill)


def draw(
    count: int, padding: int, generator: Generator | None, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Top and left, int64 [N], all places equally likely."""
    limits = torch.full((count,), 2 * padding, device=device)
    return draws.whole(limits, generator), draws.whole(limits, generator)


def maps(top: Tensor, left: Tensor, padding: int) -> Tensor:
    """As for `crop_by` → maps for `warp`."""
    return scaling(1.0, 1.0, (left - padding).float(), (top - padding).float())
