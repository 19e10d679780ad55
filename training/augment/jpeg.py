"""This module adds the artefacts of JPEG, which most pictures from the web have, without leaving the pictures' device.

A JPEG loses what the rounding of its cosine transform loses, and, in colour, half of the resolution of the two colour
channels; packing the rounded numbers into bytes loses nothing. So the rounding alone is done here, for whole batches:
baseline JPEG as libjpeg writes it by default (ITU-T T.81, annexes A and K; JFIF 1.02 for colour), with 4:2:0
subsampling and the smooth enlargement of its decoder. The result is that of Pillow and torchvision up to ties in the
rounding.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator, Tensor
from torch.nn import functional

from training.augment import draws

_BLOCK = 8
#: The tables of T.81, K.1 and K.2, in rows: steps of brightness and of colour at quality 50.
_BRIGHTNESS = (
    *(16, 11, 10, 16, 24, 40, 51, 61), *(12, 12, 14, 19, 26, 58, 60, 55), *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62), *(18, 22, 37, 56, 68, 109, 103, 77), *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101), *(72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_COLOUR = (
    *(17, 18, 24, 47, 99, 99, 99, 99), *(18, 21, 26, 66, 99, 99, 99, 99), *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99), *(99,) * 32,
)  # fmt: skip


def jpeg_by(pixels: Tensor, quality: Tensor) -> Tensor:
    """Give each picture the artefacts of JPEG.

    Args:
        pixels: float32 [N, C, H, W] in 0–255, C 1 or 3.
        quality: int64 [N], 1–100; 0 leaves the picture as it is.

    Returns:
        float32 [N, C, H, W]; whole numbers where a picture was changed.
    """
    quality = quality.to(pixels.device)
    whole = pixels.round().clamp(0, 255)
    steps = quality.clamp(min=1)
    packed = _rounded(whole, steps, _BRIGHTNESS) if pixels.shape[1] == 1 else _in_colour(whole, steps)
    return torch.where((quality > 0)[:, None, None, None], packed, pixels)


def jpeg(pixels: Tensor, probability: float, lowest: int = 20, *, generator: Generator | None = None) -> Tensor:
    """Compress some of the pictures, with a quality drawn from `lowest` to 95."""
    place = draws.device_of(pixels, generator)
    chosen = draws.chosen(len(pixels), probability, generator, place)
    quality = lowest + draws.whole(torch.full((len(pixels),), 95 - lowest, device=place), generator)
    if pixels.device.type != "cpu":
        # All pictures, those that stay as they are too: picking rows would make the host wait.
        return jpeg_by(pixels, quality * chosen)
    rows = chosen.nonzero()[:, 0]
    there = rows.to(pixels.device)
    return pixels.index_copy(0, there, jpeg_by(pixels[there], quality[rows]))


def _rounded(channel: Tensor, quality: Tensor, table: tuple[int, ...]) -> Tensor:
    """Round the cosine transform of 8×8 blocks: [N, C, H, W] in 0–255 to whole numbers of the same shape.

    Where a side is no multiple of 8, its last row or column is repeated, as libjpeg does.
    """
    count, channels, height, width = channel.shape
    padded = functional.pad(channel, (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate") - 128
    rows, columns = padded.shape[2] // _BLOCK, padded.shape[3] // _BLOCK
    blocks = padded.view(count, channels, rows, _BLOCK, columns, _BLOCK).transpose(3, 4)
    transform = _transform(channel.device)
    factor = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    # Whole numbers to the end, since a table is made in them.
    steps = ((_table(table, channel.device) * factor[:, None, None] + 50) // 100).clamp(1, 255)
    steps = steps.to(channel)[:, None, None, None]
    # libjpeg's transform is in whole eighths; halves of a step, which are frequent, go away from zero.
    eighths = (transform @ blocks @ transform.T * 8).round()
    heights = eighths.sign() * ((eighths.abs() + 4 * steps) / (8 * steps)).floor() * steps
    back: Tensor = (transform.T @ heights @ transform + 128).round().clamp(0, 255)
    return back.transpose(3, 4).flatten(2, 3).flatten(3)[:, :, :height, :width]


def _in_colour(pixels: Tensor, quality: Tensor) -> Tensor:
    """Do the same for RGB: the brightness in full, the two colour channels at half the size."""
    height, width = pixels.shape[2:]
    red, green, blue = pixels.unbind(1)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    # JFIF's conversion: blue and red less brightness, scaled to 0–255.
    colours = torch.stack([(blue - light) * (0.5 / 0.886) + 128, (red - light) * (0.5 / 0.701) + 128], 1)
    even = functional.pad(colours.round().clamp(0, 255), (0, width % 2, 0, height % 2), mode="replicate")
    # libjpeg's halves go down and up in turn, column by column.
    means = functional.avg_pool2d(even, 2)
    small = _rounded((means + _alternating(means, 0.25, 0.5)).floor(), quality, _COLOUR)
    large = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    large = (large + _alternating(large, 8 / 16, 7 / 16)).floor()
    blues, reds = (large[:, :, :height, :width] - 128).unbind(1)
    brightness = _rounded(light.round()[:, None], quality, _BRIGHTNESS)[:, 0]
    greens = (0.114 * 1.772 / 0.587) * blues + (0.299 * 1.402 / 0.587) * reds
    changed = torch.stack([brightness + 1.402 * reds, brightness - greens, brightness + 1.772 * blues], 1)
    return changed.round().clamp(0, 255)


def _alternating(like: Tensor, even: float, odd: float) -> Tensor:
    """Return one number for each column: float32 [W]."""
    return even + (odd - even) * (torch.arange(like.shape[3], device=like.device) % 2)


def _transform(device: torch.device) -> Tensor:
    """Return the orthonormal cosine transform of 8 numbers, float32 [8, 8]: frequencies in rows."""
    places = torch.arange(_BLOCK, device=device)
    waves = (places[:, None] * (2 * places + 1) * (math.pi / (2 * _BLOCK))).cos() * math.sqrt(2 / _BLOCK)
    # The first row is the mean; all others have twice its power.
    return torch.where(places[:, None] == 0, 1 / math.sqrt(_BLOCK), waves)


@cache
def _table(values: tuple[int, ...], device: torch.device) -> Tensor:
    """Return a table on a device, int64 [8, 8]. It is copied there once, since the host waits for a copy."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(_BLOCK, _BLOCK)
