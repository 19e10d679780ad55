"""This module makes frames of the packaged portrait (NASA, public domain) as a camera would show one or four people."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

from PIL import Image, ImageOps

from fer_export.parity.samples import PORTRAIT

SIZE = (640, 480)
#: Frames a second of the made streams.
RATE = 30
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def one(count: int) -> list[str]:
    """Return frames over which a camera pans, with one face of some 180 pixels."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    frames = []
    for index in range(count):
        angle = index / 90 * 2 * math.pi
        x, y = 20 + 16 * math.sin(angle), 24 + 12 * math.cos(angle)
        frames.append(
            portrait.transform(SIZE, Image.Transform.EXTENT, (x, y, x + 216, y + 162), Image.Resampling.BICUBIC)
        )
    return [_encoded(frame) for frame in frames]


def four(count: int) -> list[str]:
    """Return frames with four faces of some 75 pixels, each of which moves by itself."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    side = 210
    faces = [portrait.resize((side, side)), ImageOps.mirror(portrait).resize((side, side))]
    frames = []
    for index in range(count):
        frame = Image.new("RGB", SIZE, (96, 92, 88))
        for place in range(4):
            angle = index / (60 + 10 * place) * 2 * math.pi
            x = 40 + 320 * (place % 2) + 20 * math.sin(angle)
            y = 15 + 235 * (place // 2) + 10 * math.cos(angle)
            frame.paste(faces[place % 2], (round(x), round(y)))
        frames.append(frame)
    return [_encoded(frame) for frame in frames]


def photos(folder: Path) -> list[str]:
    """Return the pictures of a folder, at most 1280 pixels wide and high, by their names."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        picture.thumbnail((1280, 1280))
        found.append(_encoded(picture))
    return found


def _encoded(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
