"""This package augments whole batches of pictures as tensors, with a fresh draw for each picture.

Each operation has a file. In it, `NAME_by` is the operation itself: it is deterministic and takes a tensor of
parameters with one value for each picture. The function that draws these values stands beside it.

All take [N, C, H, W] in 0–255, C = 1 for gray or 3 for RGB, on any device; no input is changed in place.
Draws are made on the device of the pictures or of the generator: a seed gives the same ones on the same kind of device.
"""

from __future__ import annotations

from training.augment.affine import affine, affine_by
from training.augment.autocontrast import autocontrast, autocontrast_by
from training.augment.batch import augment
from training.augment.blur import blur, blur_by
from training.augment.crop import crop_by
from training.augment.erase import erase, erase_by
from training.augment.flip import flip_by
from training.augment.jpeg import jpeg, jpeg_by
from training.augment.light import brightness_by, contrast_by, jitter, light, light_by
from training.augment.mixup import mixup, mixup_by
from training.augment.noise import noise, noise_by
from training.augment.resized_crop import resized_crop_by
from training.augment.rotate import rotate_by
from training.augment.settings import Augmentation
from training.augment.sharpness import sharpness, sharpness_by

__all__ = [
    "Augmentation",
    "affine",
    "affine_by",
    "augment",
    "autocontrast",
    "autocontrast_by",
    "blur",
    "blur_by",
    "brightness_by",
    "contrast_by",
    "crop_by",
    "erase",
    "erase_by",
    "flip_by",
    "jitter",
    "jpeg",
    "jpeg_by",
    "light",
    "light_by",
    "mixup",
    "mixup_by",
    "noise",
    "noise_by",
    "resized_crop_by",
    "rotate_by",
    "sharpness",
    "sharpness_by",
]
