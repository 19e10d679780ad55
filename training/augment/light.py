"""This module changes brightness and contrast."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws

#: Luma weights, rounded as torchvision's rgb_to_grayscale has them.
_LUMA = (0.2989, 0.587, 0.114)


def light_by(pixels: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Scale the contrast about each picture's own mean, then add an offset, clamped to 0–255.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        contrast: [N], factor ≥ 0.
        brightness: [N], the offset, in units of 0–255.
    """
    contrast, brightness = contrast.to(pixels), brightness.to(pixels)
    offset = pixels.flatten(1).mean(1) * (1 - contrast) + brightness
    return _column(offset).addcmul(pixels, _column(contrast)).clamp_(0, 255)


def light(pixels: Tensor, amount: float, *, generator: Generator | None = None) -> Tensor:
    """Change contrast by a factor drawn from 1 ± amount and brightness by an offset from ± amount · 255."""
    place = draws.device_of(pixels, generator)
    contrast = 1 + draws.uniform(len(pixels), amount, generator, place)
    return light_by(pixels, contrast, draws.uniform(len(pixels), amount * 255, generator, place))


def brightness_by(pixels: Tensor, factor: Tensor) -> Tensor:
    """Multiply by factors [N] ≥ 0, clamped to 0–255, as torchvision's `adjust_brightness`."""
    return (pixels * _column(factor.to(pixels))).clamp_(0, 255)


def contrast_by(pixels: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean gray by factors [N] ≥ 0, clamped to 0–255, as torchvision's `adjust_contrast`."""
    factor = factor.to(pixels)
    means = pixels.flatten(2).mean(2)
    if pixels.shape[1] == 1:
        gray = means[:, 0]
    else:
        # One channel at a time, since a GPU would have to wait for a copy of the weights.
        gray = torch.stack([weight * means[:, channel] for channel, weight in enumerate(_LUMA)]).sum(0)
    return _column(gray * (1 - factor)).addcmul(pixels, _column(factor)).clamp_(0, 255)


def jitter(pixels: Tensor, brightness: float, contrast: float, *, generator: Generator | None = None) -> Tensor:
    """Do torchvision's ColorJitter(brightness, contrast): factors in 1 ± the value, at least 0; brightness first."""
    for operation, amount in ((brightness_by, brightness), (contrast_by, contrast)):
        if amount:
            low = max(0.0, 1 - amount)
            place = draws.device_of(pixels, generator)
            factor = low + torch.rand(len(pixels), generator=generator, device=place) * (1 + amount - low)
            pixels = operation(pixels, factor)
    return pixels


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]
