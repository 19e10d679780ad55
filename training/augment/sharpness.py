"""Sharpening and blurring."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def sharpness_by(pixels: Tensor, factor: Tensor) -> Tensor:
    """Go from the smoothed picture to the picture and beyond, as torchvision's `adjust_sharpness`.

    The kernel has 5 in the middle and 1 around it, over 13; the outermost pixels stay as they are.

    Args:
        pixels: float32 [N, C, H, W] in 0–255; smaller than 3×3 it stays as it is.
        factor: [N] ≥ 0: 0 is the smoothed picture, 1 the picture, 2 as far beyond.

    Returns:
        float32 [N, C, H, W], clamped to 0–255.
    """
    if min(pixels.shape[2:]) < 3:
        return pixels
    result = pixels.clone()
    middle = result[:, :, 1:-1, 1:-1]
    # Sums of three rows, then of three columns: many times faster on the CPU than a convolution of one channel.
    sums = (pixels[:, :, :-2] + pixels[:, :, 1:-1]).add_(pixels[:, :, 2:])
    sums = (sums[:, :, :, :-2] + sums[:, :, :, 1:-1]).add_(sums[:, :, :, 2:])
    smooth = sums.add_(middle, alpha=4).div_(13)
    middle.lerp_(smooth, (1 - factor.to(pixels))[:, None, None, None])
    return result.clamp_(0, 255)


def sharpness(pixels: Tensor, probability: float, factor: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """`factor` in some of the pictures, as torchvision's RandomAdjustSharpness(factor, probability)."""
    place = draws.device_of(pixels, generator)
    return sharpness_by(pixels, torch.where(draws.chosen(len(pixels), probability, generator, place), factor, 1.0))
