"""The changes, each as a camera would deliver it: clipped to 0–255 and rounded to bytes."""

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
#: Pictures that are changed at once.
_BATCH = 512


@dataclass(frozen=True)
class Condition:
    """One row of the table.

    Attributes:
        group, amount: "blur", "σ 2 px". Pixels are those of a 48-pixel grid; larger pictures change in proportion.
        changes: float32 [N, C, H, W], 0–255 → the same shape, any values. Several are averaged: both ways of a
            turn, four of a shift.
    """

    group: str
    amount: str
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """Group and amount."""
        return f"{self.group} {self.amount}"


def apply(change: Change, pixels: Tensor, seed: int = 0) -> Tensor:
    """One change of all pictures: uint8 [N, C, H, W] → the same, clipped and rounded.

    The same seed gives the same noise to the same rows; two changes with one seed get the same draws.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [change(part.float(), generator) for part in torch.split(pixels, _BATCH)]
    return torch.cat([part.clamp(0, 255).round().to(torch.uint8) for part in parts])


def brightness(factor: float) -> Change:
    """Every pixel times the factor."""
    return lambda pixels, _: augment.brightness_by(pixels, torch.full((len(pixels),), factor))


def contrast(factor: float) -> Change:
    """Distances from the picture's mean times the factor."""
    return lambda pixels, _: augment.contrast_by(pixels, torch.full((len(pixels),), factor))


def blur(sigma: float) -> Change:
    """Gaussian, out to 4 σ; the picture is mirrored at its edges, as torchvision does."""

    def change(pixels: Tensor, _: Generator) -> Tensor:
        width = sigma * pixels.shape[-1] / SIZE
        blurred: Tensor = functional.gaussian_blur(pixels, [2 * math.ceil(4 * width) + 1] * 2, [width] * 2)
        return blurred

    return change


def jpeg(quality: int) -> Change:
    """Written by Pillow and read back."""
    return lambda pixels, _: torch.stack([_jpeg(picture, quality) for picture in pixels])


def noise(sigma: float) -> Change:
    """Gaussian, its own for each pixel and channel; σ of 255."""
    return lambda pixels, generator: pixels + sigma * torch.randn(pixels.shape, generator=generator)


def move(*, degrees: float = 0.0, right: float = 0.0, down: float = 0.0, scale: float = 1.0) -> Change:
    """Turned clockwise, shifted and scaled about the middle, bilinear; the edge pixels repeat."""

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
