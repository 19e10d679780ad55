"""This module rotates, shifts, scales and shears pictures, and does all geometry of a batch in one resampling."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import crop, draws, flip, resized_crop
from training.augment.settings import Augmentation
from training.augment.warp import Fill, radians, stretch, warp


def affine_by(
    pixels: Tensor, degrees: Tensor, shift: Tensor, scale: Tensor, shear: Tensor, *, fill: Fill = "border"
) -> Tensor:
    """Do what torchvision's `affine` does, with each picture's own values.

    Args:
        pixels: [N, C, H, W] in 0–255.
        degrees: [N], clockwise (torchvision's `rotate` counts the other way).
        shift: [N, 2], pixels to the right and down.
        scale: [N], > 0; above 1 enlarges.
        shear: [N, 2], degrees along x and y, between −90 and 90.
        fill: `border` repeats the edge; torchvision fills with 0.

    Returns:
        float32 [N, C, H, W].
    """
    return warp(pixels, maps(degrees, shift, scale, shear), fill=fill)


def maps(degrees: Tensor, shift: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Return the maps for `warp` that do what `affine_by` does with the same arguments: float32 [N, 3, 3]."""
    angle, (along_x, along_y) = radians(degrees), radians(shear).T
    # The forward map shears along x, then along y, scales, turns and moves. `warp` needs its inverse.
    a, c = (angle - along_y).cos() / along_y.cos(), (angle - along_y).sin() / along_y.cos()
    b, d = -a * along_x.tan() - angle.sin(), -c * along_x.tan() + angle.cos()
    linear = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2) / scale[:, None, None]
    result = torch.eye(3, device=degrees.device).repeat(len(degrees), 1, 1)
    result[:, :2, :2] = linear
    result[:, :2, 2:] = -linear @ shift[:, :, None]
    return result


def affine(pixels: Tensor, how: Augmentation, size: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Do resized crop, crop, rotation, scale, shift, shear, flip and the resize to the net in one bilinear resampling.

    Args:
        pixels: [N, C, H, W] in 0–255, uint8 or float32.
        how: the settings; those that are not about geometry are ignored.
        size: height and width of the result; the source's where None.
        generator: source of the draws; torch's global one where None.

    Returns:
        float32 [N, C, size, size].
    """
    count, _, height, width = pixels.shape
    place = draws.device_of(pixels, generator)
    shape = (size, size) if size else (height, width)
    steps = []
    if how.resized_crop:
        box = resized_crop.draw(count, height, width, how.resized_crop, generator, place)
        steps.append(resized_crop.maps(*box, height=height, width=width))
    if how.crop:
        steps.append(crop.maps(*crop.draw(count, how.crop, generator, place), how.crop))
    if how.rotate or how.scale or how.shift or how.shear:
        steps.append(
            maps(
                draws.uniform(count, how.rotate, generator, place),
                torch.stack(
                    [draws.uniform(count, how.shift * side / 2, generator, place) for side in (width, height)], 1
                ),
                1 + draws.uniform(count, how.scale, generator, place),
                torch.stack([draws.uniform(count, how.shear, generator, place), torch.zeros(count, device=place)], 1),
            )
        )
    mirrored = flip.draw(count, how.flip, generator, place) if how.flip else None
    if not steps:
        # Only a flip and an enlargement are left, and their order does not matter.
        return stretch(pixels if mirrored is None else flip.flip_by(pixels, mirrored), shape)
    if mirrored is not None:
        steps.append(flip.maps(mirrored))
    whole = steps[0]
    for step in steps[1:]:
        whole = whole @ step
    return warp(pixels, whole, size=shape, fill=how.fill)
