"""This module resamples a batch bilinearly, each picture by its own map.

A map, float32 [N, 3, 3], gives for each place in the result the place in the source that is shown there. Both are
measured in pixels of the source from its middle, x to the right and y down. Maps are chained by `@`; the one
that is applied to the picture first comes first.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Fill = Literal["border"] | float


def scaling(x: Tensor | float, y: Tensor | float, right: Tensor, down: Tensor) -> Tensor:
    """Return maps that scale places by x and y [N], then move them right and down by pixels [N]: float32 [N, 3, 3]."""
    maps = torch.zeros(len(right), 3, 3, device=right.device)
    maps[:, 0, 0], maps[:, 0, 2] = x, right
    maps[:, 1, 1], maps[:, 1, 2] = y, down
    maps[:, 2, 2] = 1
    return maps


def warp(
    pixels: Tensor,
    maps: Tensor,
    *,
    size: tuple[int, int] | None = None,
    fill: Fill = "border",
    window: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Resample bilinearly; where the result is smaller than the source, nothing is smoothed first.

    Args:
        pixels: [N, C, H, W].
        maps: float32 [N, 3, 3], as described at the top of this file.
        size: height and width of the result; the source's where None.
        fill: what lies outside the source: its repeated border, or one value 0–255.
        window: lowest and highest x, y [N, 2] that may be read; the edge of the window is repeated.

    Returns:
        float32 [N, C, *size].
    """
    pixels = pixels.float()
    height, width = pixels.shape[2:]
    rows, columns = size or (height, width)
    maps = maps.to(pixels.device)
    # Filled on the device: a GPU would have to wait for numbers that are copied there.
    # grid_sample counts from −1 to 1 between the outer edges. Adding a row and a column, for x and y apart, builds
    # the grid many times faster than one matrix product over all places.
    half = torch.cat([torch.full((1,), side / 2, device=pixels.device) for side in (width, height)])
    linear = maps[:, :2, :2] * half / half[:, None]
    moved = (maps[:, :2, 2] / half)[:, :, None]
    across = linear[:, :, 0, None] * _centres(columns, pixels.device)
    down = linear[:, :, 1, None] * _centres(rows, pixels.device) + moved
    grid = (down[:, :, :, None] + across[:, :, None]).permute(0, 2, 3, 1)
    if window is not None:
        lowest, highest = ((limit.to(pixels.device) / half)[:, None, None] for limit in window)
        grid = grid.clamp(lowest, highest)
    if fill == "border":
        return functional.grid_sample(pixels, grid, "bilinear", "border", align_corners=False)
    return functional.grid_sample(pixels - fill, grid, "bilinear", "zeros", align_corners=False) + fill


def stretch(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize [N, C, H, W] bilinearly to float32 [N, C, *size]; a float32 tensor of this size is returned as it is."""
    pixels = pixels.float()
    if tuple(pixels.shape[2:]) == size:
        return pixels
    return functional.interpolate(pixels, size, mode="bilinear", align_corners=False)


def radians(degrees: Tensor) -> Tensor:
    """Convert degrees to radians."""
    return degrees * (math.pi / 180)


def _centres(count: int, device: torch.device) -> Tensor:
    """Return the middles of `count` pixels on a scale from −1 to 1 between the outer edges: float32 [count]."""
    return (torch.arange(count, device=device) * 2 + 1) / count - 1
