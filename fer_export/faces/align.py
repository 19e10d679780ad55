"""This module maps a face in a photo onto the input grid of a net."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fer_export.contract import Contract, Crop, PictureInput, Point
from fer_export.errors import ContractError, InvalidInputError
from fer_export.faces.face import Box, Face
from fer_export.faces.photo import Photo
from fer_export.faces.sampling import Affine, Floats, sample
from fer_export.faces.similarity import inverse, similarity

#: The average landmarks that MTCNN finds on FER2013's 48×48 pictures: left eye, right eye,
#: nose, left and right mouth corner as seen in the picture.
TEMPLATE_48: tuple[Point, Point, Point, Point, Point] = (
    (15.7, 18.5),
    (32.9, 18.1),
    (24.3, 28.6),
    (17.2, 37.7),
    (31.7, 37.4),
)


def crop(photo: Photo, face: Face, contract: Contract) -> npt.NDArray[np.float32]:
    """Return the classifier's input for one face: float32 [C, H, W], 0–255, as the contract describes it.

    Args:
        photo: uint8 RGB [H, W, 3].
        face: the face, in the photo's pixels.
        contract: the classifier's contract; it gives grid, colour, template and margin.

    Raises:
        ContractError: the contract has no rule for crops or leaves the size free.
        InvalidInputError: the photo is not valid, or the face has no extent.
    """
    spec, rule = contract.picture, contract.crop
    height, width = spec.height, spec.width
    if rule is None or height is None or width is None:
        raise ContractError("the contract of this model says nothing about cropping faces")
    affine = grid_to_photo(face, rule, height, width)
    pixels = coloured(photo, affine, height, width, spec)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def coloured(photo: Photo, affine: Affine, height: int, width: int, spec: PictureInput) -> Floats:
    """Sample the channels of an input, luma or three colours in its order; an input of `planes` is not allowed."""
    pixels = sample(photo, affine, height, width, gray=spec.color == "gray")
    return pixels[..., ::-1] if spec.color == "bgr" else pixels


def grid_to_photo(face: Face, rule: Crop, height: int, width: int) -> Affine:
    """Return the map from the input grid to the photo, [2, 3], from the landmarks or else from the box."""
    if face.landmarks is not None:
        onto_grid = similarity(face.landmarks, rule.template)
        if onto_grid is not None:
            return inverse(onto_grid)
    return _square(face.box, rule.margin, height, width)


def _square(box: Box, margin: float, height: int, width: int) -> Affine:
    """Map the square around `box`, its side enlarged by `margin` of it, onto the grid's inner square."""
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1) * (1 + margin)
    if not np.isfinite(box).all() or side <= 0:
        raise InvalidInputError(f"a face without extent: box {list(box)}")
    scale = side / min(height, width)
    return np.array(
        [
            [scale, 0.0, (x1 + x2) / 2 - scale * width / 2],
            [0.0, scale, (y1 + y2) / 2 - scale * height / 2],
        ]
    )
