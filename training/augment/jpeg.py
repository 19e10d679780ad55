"""This module adds the artefacts of JPEG, which most pictures from the web have."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as v2

from training.augment import draws


def jpeg_by(pixels: Tensor, quality: Tensor) -> Tensor:
    """Pack and unpack each picture as JPEG, by torchvision.

    Args:
        pixels: float32 [N, C, H, W] in 0–255.
        quality: int64 [N], 1–100; 0 leaves the picture as it is.

    Returns:
        float32 [N, C, H, W].
    """
    result = pixels.clone()
    for row in quality.nonzero()[:, 0].tolist():
        whole = pixels[row].round().clamp(0, 255).byte().cpu()
        result[row] = v2.jpeg(whole, int(quality[row])).to(pixels)
    return result


def jpeg(pixels: Tensor, probability: float, lowest: int = 20, *, generator: Generator | None = None) -> Tensor:
    """Compress some of the pictures, with a quality drawn from `lowest` to 95."""
    # The host packs the pictures, so it draws.
    place = None if generator is None else generator.device
    chosen = draws.chosen(len(pixels), probability, generator, place)
    quality = lowest + draws.whole(torch.full((len(pixels),), 95 - lowest, device=place), generator)
    return jpeg_by(pixels, quality * chosen)
