"""This module erases random boxes (Zhong et al. 2017, https://arxiv.org/abs/1708.04896)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def erase_by(pixels: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, value: Tensor) -> Tensor:
    """Fill one box in each picture.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        top, left, height, width: [N], the box in pixels; nothing is filled where a side is 0.
        value: [N], what the box is filled with, 0–255.

    Returns:
        float32 [N, C, H, W].
    """
    edges = torch.stack([top, top + height, left, left + width]).to(pixels.device)[:, :, None]
    y = torch.arange(pixels.shape[2], device=pixels.device)
    x = torch.arange(pixels.shape[3], device=pixels.device)
    rows = (y >= edges[0]) & (y < edges[1])
    columns = (x >= edges[2]) & (x < edges[3])
    # The box is a factor of 0 or 1, not a mask, because torch.where takes three times as long; lerp is exact at both.
    box = rows.to(pixels)[:, None, :, None] * columns.to(pixels)[:, None, None, :]
    return pixels.lerp(value.to(pixels)[:, None, None, None], box)


def erase(
    pixels: Tensor, probability: float, smallest: int = 6, largest: int = 20, *, generator: Generator | None = None
) -> Tensor:
    """Fill one box in some of the pictures with that picture's mean.

    The paper draws the share of the area and the ratio of the sides. Here each side is drawn by itself, in whole
    pixels from `smallest` to `largest`, and is cut to the picture's side.
    """
    count, _, rows, columns = pixels.shape
    place = draws.device_of(pixels, generator)
    sides = smallest + draws.whole(torch.full((2, count), largest - smallest, device=place), generator)
    height, width = sides[0].clamp(max=rows), sides[1].clamp(max=columns)
    top, left = draws.whole(rows - height, generator), draws.whole(columns - width, generator)
    height = height * draws.chosen(count, probability, generator, place)
    return erase_by(pixels, top, left, height, width, pixels.flatten(1).mean(1))
