"""This module samples a part of a photo onto an input grid by the rule "area-bilinear/1".

The rule is stated in full here. `web/src/geometry/sampling.ts` follows it in the same double
precision, so that both sides read the same crop from the same photo.

1. A colour photo is first turned gray if gray is asked for: ITU-R BT.601 luma
   0.299 R + 0.587 G + 0.114 B, not rounded.
2. An affine map takes the output grid to the photo: (u, v) ↦ (x, y), both in pixels, pixel j
   covering [j, j + 1].
3. s, the map's largest singular value, is the largest number of photo pixels that an output pixel spans.
   k = ⌈s⌉, at least 1 and at most `MAX_SUBSAMPLES`; where s exceeds a whole number by no more than
   1e-9, the excess counts as a rounding error.
4. Output pixel (row r, column c) is the mean over k × k points u = c + (i + ½)/k,
   v = r + (j + ½)/k, each read by bilinear interpolation between pixel centres; points beyond the outer
   centres take the value of the edge.

So an upright reduction by a whole factor is exactly the mean over blocks, and an enlargement is
plain bilinear interpolation.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fer_export.errors import InvalidInputError
from fer_export.faces.photo import Photo, check_photo

#: The limit on the work for each output pixel. With it, a face of 768 photo pixels on a 48-pixel grid is still
#: averaged over all of its pixels.
MAX_SUBSAMPLES = 16
BT601 = (0.299, 0.587, 0.114)

Floats = npt.NDArray[np.float64]
#: The matrix [[a, b, tx], [c, d, ty]] stands for x = a·u + b·v + tx, y = c·u + d·v + ty.
Affine = npt.NDArray[np.float64]


def spread(affine: Affine) -> float:
    """Return the largest singular value of the map's linear part: photo pixels per output pixel."""
    a, b, c, d = (float(value) for value in (affine[0, 0], affine[0, 1], affine[1, 0], affine[1, 1]))
    half = (a * a + b * b + c * c + d * d) / 2
    determinant = a * d - b * c
    return math.sqrt(half + math.sqrt(max(0.0, half * half - determinant * determinant)))


def subsamples(affine: Affine) -> int:
    """Return k of rule 3, 1 to `MAX_SUBSAMPLES`."""
    return int(min(MAX_SUBSAMPLES, max(1.0, math.ceil(spread(affine) - 1e-9))))


def sample(photo: Photo, affine: Affine, height: int, width: int, *, gray: bool) -> Floats:
    """Read `height` × `width` output pixels through `affine` by "area-bilinear/1".

    Args:
        photo: uint8 RGB [H, W, 3].
        affine: the map from output grid to photo, [2, 3].
        height, width: the size of the output grid, at least 1.
        gray: return one channel of luma instead of three of colour.

    Returns:
        float64 [height, width, 1 or 3], 0–255, not rounded.

    Raises:
        InvalidInputError: the photo is not valid, or the map is not finite.
    """
    check_photo(photo)
    if affine.shape != (2, 3) or not np.isfinite(affine).all():
        raise InvalidInputError(f"an affine map is [2, 3] and finite, not {affine.tolist()}")
    k = subsamples(affine)
    u = (np.arange(width * k, dtype=np.float64) + 0.5) / k
    v = (np.arange(height * k, dtype=np.float64) + 0.5) / k
    x = affine[0, 0] * u[None, :] + affine[0, 1] * v[:, None] + affine[0, 2]
    y = affine[1, 0] * u[None, :] + affine[1, 1] * v[:, None] + affine[1, 2]
    points = _bilinear(photo, x, y, gray=gray)
    blocks: Floats = points.reshape(height, k, width, k, points.shape[-1]).mean(axis=(1, 3))
    return blocks


def _bilinear(photo: Photo, x: Floats, y: Floats, *, gray: bool) -> Floats:
    """Return the values at (x, y), [R, C] each, as float64 [R, C, 1 or 3]."""
    high, wide = photo.shape[:2]
    # Clamping the coordinates before the indices keeps points far outside within the integer range.
    left = np.clip(x - 0.5, -1.0, wide)
    top = np.clip(y - 0.5, -1.0, high)
    x0, y0 = np.floor(left), np.floor(top)
    wx, wy = (left - x0)[..., None], (top - y0)[..., None]
    c0, c1 = _index(x0, wide), _index(x0 + 1, wide)
    r0, r1 = _index(y0, high), _index(y0 + 1, high)
    # Only the part of the photo that is read is converted to doubles.
    row, column = int(r0.min()), int(c0.min())
    part = photo[row : int(r1.max()) + 1, column : int(c1.max()) + 1].astype(np.float64)
    if gray:
        part = (BT601[0] * part[..., 0] + BT601[1] * part[..., 1] + BT601[2] * part[..., 2])[..., None]
    r0, r1, c0, c1 = r0 - row, r1 - row, c0 - column, c1 - column
    upper = (1 - wx) * part[r0, c0] + wx * part[r0, c1]
    lower = (1 - wx) * part[r1, c0] + wx * part[r1, c1]
    values: Floats = (1 - wy) * upper + wy * lower
    return values


def _index(values: Floats, size: int) -> npt.NDArray[np.intp]:
    return np.clip(values, 0, size - 1).astype(np.intp)
