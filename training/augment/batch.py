"""This module applies all augmentations of a recipe to a batch, on its way from memory to the net."""

from __future__ import annotations

from torch import Generator, Tensor

from training.augment.affine import affine
from training.augment.autocontrast import autocontrast
from training.augment.blur import blur
from training.augment.erase import erase
from training.augment.jpeg import jpeg
from training.augment.light import jitter, light
from training.augment.noise import noise
from training.augment.settings import Augmentation
from training.augment.sharpness import sharpness


def augment(
    pixels: Tensor, how: Augmentation, size: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Change each picture by its own draws; an operation that is off costs nothing and draws nothing.

    Args:
        pixels: [N, C, H, W] in 0–255, uint8 or float32, C 1 or 3.
        how: how far each change may go.
        size: height and width of the result in pixels; the source's where None. Enlargement is bilinear;
            nothing is smoothed before a reduction.
        generator: source of the draws; torch's global one where None. Draws are made on its device, or else on
            that of the pictures.

    Returns:
        float32 [N, C, size, size] in 0–255; the given tensor itself where nothing is to be done.
    """
    pixels = affine(pixels, how, size, generator=generator)
    pixels = jitter(pixels, how.brightness, how.contrast, generator=generator)
    if how.light:
        pixels = light(pixels, how.light, generator=generator)
    if how.sharpness:
        pixels = sharpness(pixels, how.sharpness, how.sharpness_factor, generator=generator)
    if how.autocontrast:
        pixels = autocontrast(pixels, how.autocontrast, generator=generator)
    if how.blur:
        pixels = blur(pixels, how.blur, how.blur_sigma, generator=generator)
    if how.noise:
        pixels = noise(pixels, how.noise, how.noise_sigma, generator=generator)
    if how.jpeg:
        pixels = jpeg(pixels, how.jpeg, how.jpeg_quality, generator=generator)
    if how.erase:
        pixels = erase(pixels, how.erase, *how.erase_size, generator=generator)
    return pixels
