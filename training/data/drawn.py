"""This module draws faces, ovals with brows, eyes and a mouth set by emotion, so that all steps run without data.

A net trained on them knows no real face; its contract says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFilter

from fer_export.data.fer2013 import SIZE
from training.data.faces import PUBLIC, TRAINING, Faces, one_hot

_SCALE = 4  # drawn four times as large and reduced, for smooth edges


@dataclass(frozen=True)
class Look:
    """Describe how an emotion changes a face, in pixels of the 48×48 picture.

    Attributes:
        brow: height of the brow over the eye.
        tilt: how much lower the brow's inner end lies.
        eye: half the eye's opening.
        corner: rise of the mouth's corners.
        mouth: the mouth's opening.
    """

    brow: float
    tilt: float
    eye: float
    corner: float
    mouth: float


LOOKS = {
    "neutral": Look(brow=5.5, tilt=0.0, eye=1.8, corner=0.0, mouth=0.3),
    "happiness": Look(brow=5.5, tilt=-0.5, eye=1.3, corner=4.0, mouth=1.5),
    "surprise": Look(brow=8.5, tilt=0.0, eye=3.2, corner=0.0, mouth=5.0),
    "sadness": Look(brow=5.5, tilt=-2.5, eye=1.3, corner=-3.5, mouth=0.3),
    "anger": Look(brow=3.5, tilt=2.8, eye=1.5, corner=-1.5, mouth=0.4),
    "fear": Look(brow=7.5, tilt=-2.2, eye=3.0, corner=-2.0, mouth=2.5),
}
LABELS = tuple(LOOKS)


def faces(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw faces, uint8 [N, 48, 48], and their classes, int64 [N]. The same seed gives the same faces."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(LABELS), count)
    pixels = np.stack([draw(LOOKS[LABELS[label]], rng) for label in labels])
    return pixels, labels


@cache
def draw_faces(train: int = 4000, check: int = 500) -> Faces:
    """Return drawn faces as a data set: `train` rows of Training, `check` rows of PublicTest from another seed."""
    parts = [faces(train, seed=0), faces(check, seed=1)]
    classes = np.concatenate([labels for _, labels in parts])
    return Faces(
        name="drawn faces (training/data/drawn.py), for trying out",
        protocol="drawn labels",
        labels=LABELS,
        pixels=torch.from_numpy(np.concatenate([pixels for pixels, _ in parts]))[:, None],
        targets=one_hot(classes, len(LABELS)),
        split=np.array([TRAINING] * train + [PUBLIC] * check),
        where=tuple(f"drawn face {number}" for number in range(train + check)),
    )


def draw(look: Look, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one face with random small deviations: uint8 [48, 48]."""

    def near(value: float, spread: float) -> float:
        return (value + float(rng.normal(0, spread))) * _SCALE

    skin = int(rng.integers(110, 225))
    ink = int(skin * rng.uniform(0.15, 0.45))
    picture = Image.new("L", (SIZE * _SCALE, SIZE * _SCALE), int(rng.integers(20, 240)))
    pen = ImageDraw.Draw(picture)
    x, y = near(24, 1.2), near(24, 1.2)
    half_width, half_height = near(18, 1), near(23, 1)
    pen.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), skin)
    width = max(2, int(near(1.3, 0.2)))
    opening, brow, tilt = near(look.eye, 0.25), near(look.brow, 0.5), near(look.tilt, 0.4)
    for side in (-1, 1):
        eye_x, eye_y = x + side * 8.5 * _SCALE, y - 5 * _SCALE
        pen.ellipse((eye_x - 3.5 * _SCALE, eye_y - opening, eye_x + 3.5 * _SCALE, eye_y + opening), 245, ink)
        pupil = min(opening, 1.6 * _SCALE)
        pen.ellipse((eye_x - pupil, eye_y - pupil, eye_x + pupil, eye_y + pupil), ink)
        inner, outer = eye_x - side * 4 * _SCALE, eye_x + side * 4.5 * _SCALE
        pen.line((inner, eye_y - brow + tilt, outer, eye_y - brow - tilt / 2), ink, width * 2)
    pen.line((x, y - _SCALE, x - _SCALE, y + 4 * _SCALE, x + _SCALE, y + 4 * _SCALE), ink, width)
    _mouth(pen, x, y + 12 * _SCALE, near(7, 0.7), near(look.corner, 0.4), near(look.mouth, 0.3), ink, width)
    small = picture.filter(ImageFilter.GaussianBlur(_SCALE * 0.6)).resize((SIZE, SIZE), Image.Resampling.BOX)
    noisy = np.asarray(small, np.float64) + rng.normal(0, 6, (SIZE, SIZE))
    return noisy.round().clip(0, 255).astype(np.uint8)


def _mouth(
    pen: ImageDraw.ImageDraw, x: float, y: float, half: float, corner: float, opening: float, ink: int, width: int
) -> None:
    steps = np.linspace(-1, 1, 15)
    curve = y - corner * (steps**2) + corner / 2
    gap = max(opening, 0) * (1 - steps**2)
    upper = list(zip(x + steps * half, curve - gap, strict=True))
    lower = list(zip(x + steps * half, curve + gap, strict=True))
    pen.polygon(upper + lower[::-1], ink)
    pen.line(upper, ink, width)
    pen.line(lower, ink, width)
