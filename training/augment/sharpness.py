"""This module sharpens and softens pictures."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def sharpness_by(pixels: Tensor, factor: Tensor) -> Tensor:
    """Blend each picture with its smoothed version, or extrapolate beyond it, as torchvision's `adjust_sharpness`.

    The smoothing kernel is 3×3 with 5 in the middle and 1 around it, over 13; the outermost pixels stay as they are.

    Args:
        pixels: float32 [N, C, H, W] in 0–255; pictures smaller than 3×3 stay as they are.
        factor: [N] ≥ 0: 0 gives the smoothed picture, 1 the picture itself, 2 goes as far beyond it.

    Returns:
        float32 [N, C, H, W], clamped to 0–255.
    """
    if min(pixels.shape[2:]) < 3:
        return pixels
    result = pixels.clone()
    middle = result[:, :, 1:-1, 1:-1]
    # Summing three rows, then three columns, is many times faster on the CPU than a convolution of one channel.
    sums = (pixels[:, :, :-2] + pixels[:, :, 1:-1]).add_(pixels[:, :, 2:])
    sums = (sums[:, :, :, :-2] + sums[:, :, :, 1:-1]).add_(sums[:, :, :, 2:])
    smooth = sums.add_(middle, alpha=4).div_(13)
    middle.lerp_(smooth, (1 - factor.to(pixels))[:, None, None, None])
    return result.clamp_(0, 255)


def sharpness(pixels: Tensor, probability: float, factor: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Apply `factor` to some of the pictures, as torchvision's RandomAdjustSharpness(factor, probability)."""
    place = draws.device_of(pixels, generator)
    return sharpness_by(pixels, torch.where(draws.chosen(len(pixels), probability, generator, place), factor, 1.0))
