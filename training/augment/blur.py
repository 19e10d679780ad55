"""This module blurs pictures with a Gaussian, as a lens out of focus or an enlarged picture looks."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from training.augment import draws


def blur_by(pixels: Tensor, sigma: Tensor, largest: float | None = None) -> Tensor:
    """Blur each picture with a Gaussian of its own, as torchvision's `gaussian_blur`; the edge is mirrored.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        sigma: [N] in pixels; 0 leaves the picture as it is.
        largest: no sigma is above it; looked up where None, for which the host waits.

    Returns:
        float32 [N, C, H, W].
    """
    # The kernel reaches three sigma to each side, but no further than the mirrored edge does.
    widest = sigma.max().item() if largest is None else largest
    reach = min(math.ceil(3 * widest), *(side - 1 for side in pixels.shape[2:]))
    if reach < 1:
        return pixels
    offsets = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (offsets / sigma.clamp_min(1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).to(pixels)[:, :, None, None, None]
    for axis in (2, 3):
        length = pixels.shape[axis]
        padded = functional.pad(pixels, (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach), mode="reflect")
        # Summing shifted pictures is many times faster on the CPU than a convolution with a kernel for each picture.
        pixels = padded.narrow(axis, 0, length) * weights[:, 0]
        for tap in range(1, len(offsets)):
            pixels.addcmul_(padded.narrow(axis, tap, length), weights[:, tap])
    return pixels


def blur(pixels: Tensor, probability: float, largest: float = 1.5, *, generator: Generator | None = None) -> Tensor:
    """Blur some of the pictures, sigma drawn from 0 to `largest` pixels."""
    place = draws.device_of(pixels, generator)
    chosen = draws.chosen(len(pixels), probability, generator, place)
    sigma = torch.rand(len(pixels), generator=generator, device=place) * largest * chosen
    if pixels.device.type != "cpu":
        # All pictures, those that stay as they are too: picking rows would make the host wait.
        return blur_by(pixels, sigma, largest)
    rows = sigma.nonzero()[:, 0]
    if not len(rows):
        return pixels
    there = rows.to(pixels.device)
    return pixels.index_copy(0, there, blur_by(pixels[there], sigma[rows]))
