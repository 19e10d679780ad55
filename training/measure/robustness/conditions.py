"""This module changes pictures as a camera would deliver them: clipped to 0–255 and rounded to bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional

from fer_export.data.fer2013 import SIZE
from training import augment

Change = Callable[[Tensor, Generator], Tensor]
#: How many pictures are changed at once.
_BATCH = 512


@dataclass(frozen=True)
class Condition:
    """Describe one row of the table.

    Attributes:
        group, amount: for instance "blur" and "σ 2 px". Pixels are those of a 48×48 picture; the change scales with
            the size of larger ones.
        changes: functions from float32 [N, C, H, W] in 0–255 to the same shape, with any values. The results of
            several are averaged: both directions of a turn, all four of a shift.
    """

    group: str
    amount: str
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """Return group and amount as one text."""
        return f"{self.group} {self.amount}"


def apply(change: Change, pixels: Tensor, seed: int = 0) -> Tensor:
    """Make one change to all pictures, uint8 [N, C, H, W], then clip and round to uint8 of the same shape.

    The same seed gives the same noise to the same rows; two changes with one seed get the same draws.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [change(part.float(), generator) for part in torch.split(pixels, _BATCH)]
    return torch.cat([part.clamp(0, 255).round().to(torch.uint8) for part in parts])


def brightness(factor: float) -> Change:
    """Multiply every pixel by the factor."""
    return lambda pixels, _: augment.brightness_by(pixels, torch.full((len(pixels),), factor))


def contrast(factor: float) -> Change:
    """Multiply every pixel's distance from the picture's mean gray by the factor."""
    return lambda pixels, _: augment.contrast_by(pixels, torch.full((len(pixels),), factor))


def blur(sigma: float) -> Change:
    """Blur with a Gaussian of `sigma` pixels of 48, cut at 4 σ; edges are mirrored, as torchvision does."""

    def change(pixels: Tensor, _: Generator) -> Tensor:
        width = sigma * pixels.shape[-1] / SIZE
        blurred: Tensor = functional.gaussian_blur(pixels, [2 * math.ceil(4 * width) + 1] * 2, [width] * 2)
        return blurred

    return change


def jpeg(quality: int) -> Change:
    """Compress as JPEG with Pillow, and read it back."""
    return lambda pixels, _: torch.stack([_jpeg(picture, quality) for picture in pixels])


def noise(sigma: float) -> Change:
    """Add Gaussian noise, drawn for each pixel and channel; `sigma` is in units of 0–255."""
    return lambda pixels, generator: pixels + sigma * torch.randn(pixels.shape, generator=generator)


def move(*, degrees: float = 0.0, right: float = 0.0, down: float = 0.0, scale: float = 1.0) -> Change:
    """Turn clockwise by degrees, shift by pixels of 48, and scale about the middle, bilinear; edges are repeated."""

    def change(pixels: Tensor, _: Generator) -> Tensor:
        count, unit = len(pixels), pixels.shape[-1] / SIZE
        shift = torch.tensor([right, down]).mul(unit).repeat(count, 1)
        turn, size = torch.full((count,), degrees), torch.full((count,), scale)
        return augment.affine_by(pixels, turn, shift, size, torch.zeros(count, 2))

    return change


def _jpeg(picture: Tensor, quality: int) -> Tensor:
    array = picture.round().to(torch.uint8).permute(1, 2, 0).numpy()
    packed = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(packed, "JPEG", quality=quality)
    with Image.open(packed) as opened:
        back = np.asarray(opened, np.float32).reshape(array.shape)
    return torch.from_numpy(back).permute(2, 0, 1)


def _each(group: str, change: Callable[[float], Change], amounts: Sequence[float], shown: str) -> list[Condition]:
    return [Condition(group, shown.format(amount), (change(amount),)) for amount in amounts]


def _shifts(pixels: float) -> tuple[Change, ...]:
    ways = ((-1, 0), (1, 0), (0, -1), (0, 1))
    return tuple(move(right=x * pixels, down=y * pixels) for x, y in ways)


#: The table's rows in its order.
CONDITIONS: tuple[Condition, ...] = (
    *_each("brightness", brightness, (0.3, 0.5, 1.5, 2), "×{:g}"),
    *_each("contrast", contrast, (0.3, 0.5, 1.5, 2), "×{:g}"),
    *_each("blur", blur, (1, 2), "σ {:g} px"),
    Condition("JPEG", "quality 20", (jpeg(20),)),
    *_each("noise", noise, (10, 25), "σ {:g}"),
    *(Condition("rotation", f"±{by}°", (move(degrees=-by), move(degrees=by))) for by in (10, 20)),
    *(Condition("shift", f"{by} px", _shifts(by)) for by in (3, 6)),
    *_each("scale", lambda factor: move(scale=factor), (0.85, 1.15), "×{:g}"),
)
