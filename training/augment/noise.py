"""This module adds Gaussian noise, as a camera's sensor does in poor light."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def noise_by(pixels: Tensor, sigma: Tensor, drawn: Tensor) -> Tensor:
    """Add noise, as torchvision's `gaussian_noise`.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        sigma: [N], standard deviation in units of 0–255.
        drawn: standard normal numbers of the pictures' shape.

    Returns:
        float32 [N, C, H, W], clamped to 0–255.
    """
    return pixels.addcmul(drawn.to(pixels), sigma.to(pixels)[:, None, None, None]).clamp_(0, 255)


def noise(pixels: Tensor, probability: float, largest: float = 20.0, *, generator: Generator | None = None) -> Tensor:
    """Add noise to some of the pictures, sigma drawn from 0 to `largest`."""
    place = draws.device_of(pixels, generator)
    chosen = draws.chosen(len(pixels), probability, generator, place)
    sigma = torch.rand(len(pixels), generator=generator, device=place) * largest * chosen
    return noise_by(pixels, sigma, torch.randn(pixels.shape, generator=generator, device=place))
