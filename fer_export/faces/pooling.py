"""This module resizes many windows of one photo by area, at little cost for each.

facenet-pytorch resizes with `interpolate(mode="area")`, which is adaptive average pooling: output
bin i of n covers the pixels ⌊i·size/n⌋ to ⌈(i + 1)·size/n⌉. A summed-area table (Crow 1984) computes
each bin from four values, whatever its size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fer_export.faces.photo import Photo


class AreaTable:
    """Hold the summed areas of one photo.

    The sums wrap around at 2³². Their differences are right all the same while one bin
    sums to less; a bin of 255s would have to be 16.8 million pixels large to exceed that.
    """

    def __init__(self, photo: Photo) -> None:
        self.height, self.width = photo.shape[:2]
        sums = np.zeros((self.height + 1, self.width + 1, 3), np.uint32)
        np.cumsum(photo, axis=0, dtype=np.uint32, out=sums[1:, 1:])
        np.cumsum(sums[1:, 1:], axis=1, dtype=np.uint32, out=sums[1:, 1:])
        self._sums = sums

    def resize(self, window: tuple[int, int, int, int], height: int, width: int) -> npt.NDArray[np.float32]:
        """Resize a window x1, y1, x2, y2 (whole pixels, inside, not empty) to float32 [height, width, 3]."""
        x1, y1, x2, y2 = window
        left, right = _bins(x1, x2, width)
        top, bottom = _bins(y1, y2, height)
        sums = self._sums
        total = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)]
        total += sums[np.ix_(top, left)]
        area = ((bottom - top)[:, None] * (right - left)[None, :])[..., None]
        return (total / area).astype(np.float32)


def _bins(start: int, end: int, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first and last edge of `count` bins over pixels `start` to `end`."""
    size = end - start
    index = np.arange(count, dtype=np.intp)
    return start + index * size // count, start - (-(index + 1) * size // count)
