"""Augmentation of whole batches of gray pictures as tensors, a fresh draw for each picture."""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional


class Augmentation(BaseModel):
    """How far each change may go; 0 switches it off. Draws are uniform in ± the value.

    Attributes:
        flip: probability of a mirror image.
        rotate: degrees.
        scale: share of the size.
        shift: share of half the width.
        light: contrast (share) and brightness (share of 255).
        erase: probability of one erased box of 6–20 pixels a side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: float = 0.5
    rotate: float = 15.0
    scale: float = 0.15
    shift: float = 0.15
    light: float = 0.3
    erase: float = 0.5


def augment(pixels: Tensor, how: Augmentation) -> Tensor:
    """float32 [N, 1, H, W] in 0–255 → the same shape and range, changed."""
    return erase(light(affine(pixels, how), how.light), how.erase)


def affine(pixels: Tensor, how: Augmentation) -> Tensor:
    """Mirror, rotate, scale and shift in one bilinear resampling; the border is repeated."""
    count = len(pixels)
    angle = _uniform(count) * math.radians(how.rotate)
    zoom = 1 + _uniform(count) * how.scale
    mirror = torch.where(torch.rand(count) < how.flip, -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, _uniform(count) * how.shift], 1),
            torch.stack([sin * mirror, cos, _uniform(count) * how.shift], 1),
        ],
        1,
    ).to(pixels.device)
    grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, "bilinear", "border", align_corners=False)


def light(pixels: Tensor, amount: float) -> Tensor:
    """Contrast about each picture's own mean, then brightness, clamped to 0–255."""
    contrast = 1 + _uniform(len(pixels)).view(-1, 1, 1, 1).to(pixels.device) * amount
    brightness = _uniform(len(pixels)).view(-1, 1, 1, 1).to(pixels.device) * amount * 255
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return ((pixels - mean) * contrast + mean + brightness).clamp(0, 255)


def erase(pixels: Tensor, probability: float, smallest: int = 6, largest: int = 20) -> Tensor:
    """Fill one box in some of the pictures with that picture's mean (Zhong et al. 2017)."""
    count, _, height, width = pixels.shape
    sides = torch.randint(smallest, largest + 1, (count, 2), device=pixels.device)
    top = (torch.rand(count, device=pixels.device) * (height - sides[:, 0] + 1)).long()
    left = (torch.rand(count, device=pixels.device) * (width - sides[:, 1] + 1)).long()
    y = torch.arange(height, device=pixels.device)
    x = torch.arange(width, device=pixels.device)
    rows = (y >= top[:, None]) & (y < (top + sides[:, 0])[:, None])
    columns = (x >= left[:, None]) & (x < (left + sides[:, 1])[:, None])
    chosen = torch.rand(count, device=pixels.device) < probability
    box = rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]
    return torch.where(box[:, None], pixels.mean((1, 2, 3), keepdim=True), pixels)


def _uniform(count: int) -> Tensor:
    return torch.rand(count) * 2 - 1
