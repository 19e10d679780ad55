"""This module stretches a random box to the whole picture (Szegedy et al. 2015, https://arxiv.org/abs/1409.4842)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from training.augment import draws
from training.augment.warp import scaling, warp

#: How many boxes are drawn before the whole picture is taken, as in torchvision.
_TRIES = 10
#: Log of the most extreme ratio of width to height, 4:3.
_RATIO = math.log(4 / 3)


def resized_crop_by(
    pixels: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]
) -> Tensor:
    """Stretch a box to a size, bilinear, as torchvision's `resized_crop` does with antialias=False.

    As in torchvision, nothing beside the box is read. `affine`, which does several changes at once, blends the
    outermost half pixel with what lies beside the box.

    Args:
        pixels: [N, C, H, W] in 0–255.
        top, left, height, width: [N], the box in pixels.
        size: height and width of the result.

    Returns:
        float32 [N, C, *size].
    """
    rows, columns = pixels.shape[2:]
    lowest = torch.stack([left - columns / 2, top - rows / 2], 1)
    sides = torch.stack([width, height], 1)
    # Only places between the middle of the box's first pixel and the middle of its last may be read.
    window = (lowest + 0.5, lowest + sides - 0.5)
    return warp(pixels, maps(top, left, height, width, rows, columns), size=size, window=window)


def draw(
    count: int,
    rows: int,
    columns: int,
    smallest: float,
    generator: Generator | None,
    device: torch.device | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw top, left, height and width of N boxes: int64 [N] each.

    The share of the area is uniform in `smallest`–1, the ratio of width to height log-uniform in 3:4–4:3.
    Where ten draws give no box that fits, the box is the whole picture.
    """
    area = torch.rand(count, _TRIES, generator=generator, device=device) * (1 - smallest) + smallest
    ratio = draws.uniform(count * _TRIES, _RATIO, generator, device).view(count, _TRIES).exp()
    wide = (area * rows * columns * ratio).sqrt().round().clamp(min=1)
    high = (area * rows * columns / ratio).sqrt().round().clamp(min=1)
    fits = (wide <= columns) & (high <= rows)
    first = fits.float().argmax(1, keepdim=True)
    found = fits.any(1)
    width = torch.where(found, wide.gather(1, first)[:, 0], columns).long()
    height = torch.where(found, high.gather(1, first)[:, 0], rows).long()
    return draws.whole(rows - height, generator), draws.whole(columns - width, generator), height, width


def maps(top: Tensor, left: Tensor, box_height: Tensor, box_width: Tensor, height: int, width: int) -> Tensor:
    """Return the maps for `warp` that stretch these boxes [N] of pictures of height × width: float32 [N, 3, 3]."""
    return scaling(
        box_width / width, box_height / height, left + (box_width - width) / 2, top + (box_height - height) / 2
    )
