"""This module stretches each channel of a picture to the whole range 0–255."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def autocontrast_by(pixels: Tensor, stretched: Tensor) -> Tensor:
    """Stretch each channel so that its darkest pixel is 0 and its lightest 255, as torchvision's `autocontrast`.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        stretched: bool [N], which pictures to change. Channels of one value stay as they are.
    """
    lowest, highest = pixels.amin((2, 3)), pixels.amax((2, 3))
    there = stretched.to(pixels.device)[:, None] & (highest > lowest)
    factor = torch.where(there, 255 / (highest - lowest), 1.0)
    offset = torch.where(there, -lowest * factor, 0.0)
    return offset[:, :, None, None].addcmul(pixels, factor[:, :, None, None]).clamp_(0, 255)


def autocontrast(pixels: Tensor, probability: float, *, generator: Generator | None = None) -> Tensor:
    """Stretch each picture with this probability, as torchvision's RandomAutocontrast(probability)."""
    place = draws.device_of(pixels, generator)
    return autocontrast_by(pixels, draws.chosen(len(pixels), probability, generator, place))
