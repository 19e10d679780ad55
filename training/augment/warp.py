"""One bilinear resampling of a batch, each picture by its own map.

A map, float32 [N, 3, 3], takes a place in the result to the place in the source that is seen there. Both are
measured in pixels of the source from its middle, x to the right and y down. Maps are chained by `@`, the one
that is applied to the picture first standing first.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Fill = Literal["border"] | float


def scaling(x: Tensor | float, y: Tensor | float, right: Tensor, down: Tensor) -> Tensor:
    """A map that scales places by x and y [N], then moves them right and down by pixels [N]."""
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
    """Resample, bilinear; where the result is smaller than the source nothing is smoothed first.

    Args:
        pixels: [N, C, H, W].
        maps: float32 [N, 3, 3], see above.
        size: height and width of the result; the source's where None.
        fill: what lies outside the source: its repeated border, or one value 0–255.
        window: lowest and highest x, y [N, 2] that may be looked at; the edge of the window is repeated.

    Returns:
        float32 [N, C, *size].
    """
    pixels = pixels.float()
    height, width = pixels.shape[2:]
    rows, columns = size or (height, width)
    maps = maps.to(pixels.device)
    # grid_sample counts from −1 to 1 between the outer edges. The sum of a row and a column, x and y each in
    # one piece, is built many times faster than by one matrix product over all places.
    half = torch.tensor([width / 2, height / 2], device=pixels.device)
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
    """[N, C, H, W] → float32 [N, C, *size], bilinear; the same tensor where it has this size."""
    pixels = pixels.float()
    if tuple(pixels.shape[2:]) == size:
        return pixels
    return functional.interpolate(pixels, size, mode="bilinear", align_corners=False)


def radians(degrees: Tensor) -> Tensor:
    """Degrees → radians."""
    return degrees * (math.pi / 180)


def _centres(count: int, device: torch.device) -> Tensor:
    """Middles of `count` pixels, from −1 to 1 between the outer edges."""
    return (torch.arange(count, device=device) * 2 + 1) / count - 1
