"""This module rotates pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from training.augment.affine import affine_by
from training.augment.warp import Fill


def rotate_by(pixels: Tensor, degrees: Tensor, *, fill: Fill = "border") -> Tensor:
    """Turn pictures about the middle by degrees [N], counter-clockwise as torchvision: float32 [N, C, H, W]."""
    still = torch.zeros(len(pixels), 2)
    return affine_by(pixels, -degrees, still, torch.ones(len(pixels)), still, fill=fill)
