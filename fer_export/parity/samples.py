"""This module makes the pictures that parity is measured on: a real face turned, scaled and lit, and hard cases.

The face is cut from a packaged public-domain portrait through the contract's own crop geometry, so
that the measurement covers the pictures that the model will see. Inputs that are no pictures get
random values with the ends and middle of their range; whole numbers cover every one of their range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fer_export.contract import Contract, Crop, PictureInput, Point
from fer_export.data import fer2013
from fer_export.errors import InvalidInputError
from fer_export.faces.align import TEMPLATE_48, coloured
from fer_export.faces.sampling import Floats
from fer_export.faces.similarity import inverse, similarity
from fer_export.parity import random_inputs
from fer_export.runtimes import Array, Inputs, rows, single

PORTRAIT = Path(__file__).parent.parent / "portrait" / "portrait.png"
#: MTCNN's five landmarks in the portrait, in its pixels.
LANDMARKS: tuple[Point, Point, Point, Point, Point] = (
    (109.9, 102.0),
    (151.4, 103.6),
    (129.6, 129.7),
    (105.7, 140.1),
    (149.6, 141.6),
)
#: Heights and widths for models of free size, odd ones among them.
FREE_SIZES = ((48, 48), (37, 52), (61, 44))
#: The number of rows at once where whole numbers need many.
_AT_ONCE = 64

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Batch:
    """Hold rows of every input of a net, pictures of one size or other values, and a name for each row.

    Attributes:
        names: N names.
        inputs: the rows by input: pictures, uint8 [N, H, W, C], or values [N, …, C] of the contract's dtype.
    """

    names: tuple[str, ...]
    inputs: Inputs

    @property
    def single(self) -> Array:
        """Return the rows of a net's only input; with several inputs, a ValueError is raised."""
        (only,) = self.inputs.values()
        return only


@dataclass(frozen=True)
class Variant:
    """Describe a change of the portrait: degrees, factor, shift in shares of the size, gain and offset of light."""

    name: str
    rotate: float = 0.0
    scale: float = 1.0
    shift: Point = (0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0


VARIANTS = (
    Variant("portrait"),
    Variant("rotated -20°, dark", rotate=-20, gain=0.4),
    Variant("small, rotated 15°", rotate=15, scale=0.75),
    Variant("upright, near", scale=1.3),
    Variant("shifted", shift=(0.12, -0.1)),
    Variant("overexposed", gain=1.5, offset=60),
    Variant("low contrast", gain=0.25, offset=100),
    Variant("upside down", rotate=180),
)
#: The pictures' names.
NAMES = (*(variant.name for variant in VARIANTS), "noise", "black", "gray", "white")


def samples_for(contract: Contract, *, batch: int | None = None) -> list[Batch]:
    """Return the packaged pictures at the contract's input size, as one large batch and one of a single picture.

    Args:
        contract: the model's contract.
        batch: the model's fixed batch; all batches then have this size.
    """
    free = any(spec.free for spec in contract.inputs)
    batches = []
    every = [_for_all_inputs(contract, *size) for size in (FREE_SIZES if free else FREE_SIZES[:1])]
    further = _further(contract, every[0])
    for made in every:
        batches += (
            _split(_filled(made, batch), batch)
            if batch
            else [made, Batch((f"{made.names[0]}, alone",), rows(made.inputs, slice(1)))]
        )
    if further:
        batches += _split(_filled(further, batch), batch) if batch else _split(further, _AT_ONCE)
    return batches


def fer2013_samples(contract: Contract, path: Path, split: str, limit: int | None, size: int = 64) -> list[Batch]:
    """Return real FER2013 pictures in batches, for gray models of their size.

    Raises:
        InvalidInputError: the file is not valid, or the model takes other pictures.
    """
    spec = contract.inputs[0]
    if spec.kind != "picture" or spec.axes != (1, fer2013.SIZE, fer2013.SIZE):
        raise InvalidInputError("FER2013's pictures are 48×48 gray, and this model takes others")
    faces = fer2013.read_csv(path, usage=split, limit=limit)
    names = tuple(f"{split} {index}" for index in range(len(faces.pixels)))
    return _split(Batch(names, single(contract, faces.pixels[..., None])), size)


def _split(batch: Batch, size: int) -> list[Batch]:
    """Split rows into batches of `size`; the last may be smaller."""
    starts = range(0, len(batch.names), size)
    return [Batch(batch.names[i : i + size], rows(batch.inputs, slice(i, i + size))) for i in starts]


def _filled(batch: Batch, size: int) -> Batch:
    """Repeat the first pictures until whole batches of `size` are full."""
    count = len(batch.names)
    chosen = np.arange(count + -count % size) % count
    names = (*batch.names, *(f"{batch.names[index]}, again" for index in chosen[count:]))
    return Batch(names, rows(batch.inputs, chosen))


def _for_all_inputs(contract: Contract, height: int, width: int) -> Batch:
    """Return pictures at each input's own size, or at the given one where it is free, different for each input."""
    parts: dict[str, Array] = {}
    for turn, entry in enumerate(contract.inputs):
        if entry.kind == "picture":
            crop = None if turn else contract.crop
            parts[entry.name] = _pictures(entry, crop, entry.height or height, entry.width or width)
        else:
            parts[entry.name] = random_inputs.some(entry, len(NAMES))
        parts[entry.name] = np.roll(parts[entry.name], turn, axis=0)
    pictures = any(entry.kind == "picture" for entry in contract.inputs)
    names = NAMES if pictures else tuple(f"values {row}" for row in range(1, len(NAMES) + 1))
    return Batch(names, parts)


def _further(contract: Contract, made: Batch) -> Batch | None:
    """Return rows for the whole numbers that `made` does not cover, with its pictures repeated; None where it does."""
    values = [spec for spec in contract.inputs if spec.kind == "values"]
    count = max((random_inputs.missing(spec, made.inputs[spec.name]) for spec in values), default=0)
    if not count:
        return None
    again = np.arange(count) % len(NAMES)
    parts = {
        spec.name: made.inputs[spec.name][again] if spec.kind == "picture" else random_inputs.every(spec, count)
        for spec in contract.inputs
    }
    return Batch(tuple(f"values {len(NAMES) + row}" for row in range(1, count + 1)), parts)


def _pictures(spec: PictureInput, crop: Crop | None, height: int, width: int) -> Pictures:
    """Make the pictures of `NAMES`, uint8 [N, H, W, C]."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    faces = [_face(portrait, variant, spec, crop, height, width) for variant in VARIANTS]
    rng = np.random.default_rng(48)
    noise = rng.integers(0, 256, (height, width, spec.channels), np.uint8)
    flats = [np.full((height, width, spec.channels), level, np.uint8) for level in (0, 128, 255)]
    return np.stack([*faces, noise, *flats])


def _face(
    portrait: Pictures, variant: Variant, spec: PictureInput, crop: Crop | None, height: int, width: int
) -> Pictures:
    template: Sequence[Point] = crop.template if crop else _stretched(height, width)
    onto_grid = similarity(LANDMARKS, template)
    assert onto_grid is not None
    affine = inverse(onto_grid) @ np.vstack([_about_centre(variant, height, width), [0, 0, 1]])
    pixels = coloured(portrait, affine, height, width, spec)
    if spec.color == "planes":
        pixels = _planes(pixels, spec.channels)
    lit = np.clip(pixels * variant.gain + variant.offset, 0, 255)
    return lit.round().astype(np.uint8)


def _planes(pixels: Floats, count: int) -> Floats:
    """Repeat the three colours until there are `count` planes, each time darker."""
    return np.stack([pixels[..., plane % 3] * 0.9 ** (plane // 3) for plane in range(count)], axis=-1)


def _about_centre(variant: Variant, height: int, width: int) -> npt.NDArray[np.float64]:
    angle = math.radians(variant.rotate)
    cos, sin = math.cos(angle) / variant.scale, math.sin(angle) / variant.scale
    x, y = width / 2, height / 2
    linear = np.array([[cos, -sin], [sin, cos]])
    move = np.array([x, y]) - linear @ np.array([x + variant.shift[0] * width, y + variant.shift[1] * height])
    return np.column_stack([linear, move])


def _stretched(height: int, width: int) -> list[Point]:
    side = min(height, width) / fer2013.SIZE
    return [(x * side, y * side) for x, y in TEMPLATE_48]
