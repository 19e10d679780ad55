"""This module defines the settings of a recipe's `augmentation`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]


class Augmentation(BaseModel):
    """Say how far each change may go; 0 switches it off. Draws are uniform in ± the value.

    The changes happen in this order: resized crop, crop, rotation with scale, shift and shear, flip (all in one
    resampling, which also resizes to the net's input), brightness, contrast, light, sharpness, autocontrast, blur,
    noise, JPEG, erase.

    Attributes:
        flip: probability of a mirror image, 0–1.
        rotate: degrees, 0–180.
        scale: share of the size, 0–0.9: 0.15 draws faces 0.85–1.15 times as large.
        shift: share of half the width, and of half the height, 0–2: 0.1 is torchvision's translate=0.05.
        light: contrast about the picture's mean (share) and brightness (share of 255), 0–1.
        erase: probability of one box filled with the picture's mean, 0–1.
        shear: degrees along x, 0–60.
        crop: padding in pixels of the source picture, 0–512; a window of the picture's own size is then
            put anywhere in the padded picture.
        resized_crop: smallest share of the area, 0–1: a box of this share up to the whole, 3:4 to 4:3, is
            stretched to the whole picture.
        erase_size: shortest and longest side of the erased box, in pixels of the net's input, ≥ 1.
        sharpness: probability, 0–1.
        sharpness_factor: as in torchvision's RandomAdjustSharpness, 0–10: 0 blurs, 1 changes nothing, 2 sharpens.
        autocontrast: probability that the darkest pixel becomes 0 and the lightest 255, 0–1.
        brightness: torchvision's jitter, 0–2: pixels are multiplied by 1 ± the value.
        contrast: torchvision's jitter, 0–2: distances from the mean gray are multiplied by 1 ± the value.
        blur: probability of a Gaussian blur, 0–1.
        blur_sigma: its largest sigma in pixels of the net's input, 0–10.
        noise: probability of Gaussian noise, 0–1.
        noise_sigma: its largest sigma in units of 0–255, 0–100.
        jpeg: probability of JPEG artefacts, 0–1.
        jpeg_quality: its lowest quality, 1–95.
        fill: what lies outside the picture: `border` repeats its edge, a number 0–255 is one gray.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flip: Probability = 0.5
    rotate: float = Field(15.0, ge=0, le=180)
    scale: float = Field(0.15, ge=0, le=0.9)
    shift: float = Field(0.15, ge=0, le=2)
    light: float = Field(0.3, ge=0, le=1)
    erase: Probability = 0.5
    shear: float = Field(0.0, ge=0, le=60)
    crop: int = Field(0, ge=0, le=512)
    resized_crop: Probability = 0.0
    erase_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (6, 20)
    sharpness: Probability = 0.0
    sharpness_factor: float = Field(2.0, ge=0, le=10)
    autocontrast: Probability = 0.0
    brightness: float = Field(0.0, ge=0, le=2)
    contrast: float = Field(0.0, ge=0, le=2)
    blur: Probability = 0.0
    blur_sigma: float = Field(1.5, gt=0, le=10)
    noise: Probability = 0.0
    noise_sigma: float = Field(20.0, gt=0, le=100)
    jpeg: Probability = 0.0
    jpeg_quality: int = Field(20, ge=1, le=95)
    fill: Literal["border"] | Annotated[float, Field(ge=0, le=255)] = "border"

    @model_validator(mode="after")
    def _smallest_first(self) -> Self:
        smallest, largest = self.erase_size
        if smallest > largest:
            raise ValueError(f"erase_size: the shortest side, {smallest}, is above the longest, {largest}")
        return self
