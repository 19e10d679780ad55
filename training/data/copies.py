"""This module finds pictures that are in a data set more than once, exactly or nearly so."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.data.faces import Faces

#: The least correlation of two pictures that are called near copies. Chosen by looking at pairs of FER2013:
#: all 71 between 0.93 and 0.95 were one photo (other crop, light, watermark), mirrored ones among them; of 40
#: between 0.92 and 0.93 two were different people, and below 0.90 most are.
THRESHOLD = 0.93
#: The side of the pictures that are compared, and of the thumbnails that find candidates.
_SIDE, _THUMBNAIL = 48, 12
#: The least correlation of thumbnails. It is lower, since a copy that is moved by a pixel loses more here.
_CANDIDATE = 0.88
#: By how many pixels (of 48) a copy may be shifted.
_SHIFT = 2
#: How many thumbnails are in one matrix product, and how many pairs are confirmed at once.
_BLOCK, _PAIRS = 2048, 256


@dataclass(frozen=True)
class Pair:
    """Hold two rows that show nearly the same picture.

    Attributes:
        first, second: row numbers, first < second.
        score: correlation of their pixels where they overlap, at the best shift, −1–1.
        mirrored: whether the second is the mirror image of the first.
    """

    first: int
    second: int
    score: float
    mirrored: bool


def exact_groups(faces: Faces) -> list[list[int]]:
    """Group the rows with the same pixels, two or more in each group, in the order of rows and of first rows."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(_digests(faces)):
        groups[digest].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def near_pairs(faces: Faces, threshold: float = THRESHOLD) -> list[Pair]:
    """Find pairs of rows that show nearly the same picture: mirrored, brighter, compressed again, moved by a pixel.

    Candidates are found by the correlation of 12×12 thumbnails, all with all, and confirmed by that of the
    48×48 pictures at the best of 25 shifts. Flat pictures are left out. Of exact copies only the first row takes
    part; `exact_groups` gives the others. Of 3,000 FER2013 pictures moved by one pixel down and across 99.5 % are
    found; of those moved by two pixels 73 % (across) and 27 % (down and across).

    Args:
        faces: pictures of any size; colour is compared as gray.
        threshold: the least correlation of a pair.
    """
    rows = np.flatnonzero(_first_rows(_digests(faces)) & ~flat(faces))
    pictures = _gray(faces.pixels[torch.from_numpy(rows)])
    best: dict[tuple[int, int], Pair] = {}
    for one, other, score, mirrored in _matches(pictures, None, threshold):
        pair = Pair(int(rows[one]), int(rows[other]), score, mirrored)
        found = best.setdefault((pair.first, pair.second), pair)
        if found.score < score:
            best[pair.first, pair.second] = pair
    return [best[key] for key in sorted(best)]


def leaked(faces: Faces, train: str, check: str, near: bool = False) -> npt.NDArray[np.bool_]:
    """Return a mask [N] of the rows of split `train` that copy a row of split `check`.

    Args:
        faces: pictures with their splits.
        train: Training, for instance.
        check: PublicTest, for instance.
        near: count near copies too.

    Raises:
        InvalidInputError: a split has no row.
    """
    mask = np.zeros(len(faces), bool)
    mask[faces.split == train] = copied(faces.of(train), faces.of(check), near=near)
    return mask


def copied(faces: Faces, others: Faces, near: bool = False) -> npt.NDArray[np.bool_]:
    """Return a mask [N] of the rows of `faces` whose picture is also in `others`, with `near` also nearly the same."""
    digests, there = _digests(faces), _digests(others)
    found = set(there)
    if near:
        # One row of each exact group is compared; a match holds for all rows with the same pixels.
        rows = np.flatnonzero(_first_rows(digests) & ~flat(faces))
        other_rows = np.flatnonzero(_first_rows(there) & ~flat(others))
        pictures = _gray(faces.pixels[torch.from_numpy(rows)])
        other_pictures = _gray(others.pixels[torch.from_numpy(other_rows)])
        found |= {digests[rows[one]] for one, *_ in _matches(pictures, other_pictures, THRESHOLD)}
    return np.array([digest in found for digest in digests], bool)


def flat(faces: Faces) -> npt.NDArray[np.bool_]:
    """Return a mask [N] of the pictures that show one colour only."""
    rows = faces.pixels.flatten(2)
    same: npt.NDArray[np.bool_] = (rows == rows[:, :, :1]).all(2).all(1).numpy()
    return same


def _digests(faces: Faces) -> list[bytes]:
    return [hashlib.blake2b(picture, digest_size=16).digest() for picture in faces.pixels.contiguous().numpy()]


def _first_rows(digests: list[bytes]) -> npt.NDArray[np.bool_]:
    """Return a mask of the rows whose picture has not occurred before."""
    seen: set[bytes] = set()
    first = np.zeros(len(digests), bool)
    for row, digest in enumerate(digests):
        first[row] = digest not in seen
        seen.add(digest)
    return first


def _gray(pixels: Tensor) -> Tensor:
    """Convert uint8 [N, C, H, W] to gray float32 [N, 48, 48], a block at a time to save memory."""
    gray = torch.empty(len(pixels), _SIDE, _SIDE)
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK].float().mean(1, keepdim=True)
        gray[start : start + _BLOCK] = functional.adaptive_avg_pool2d(block, _SIDE)[:, 0]
    return gray


def _normalised(pictures: Tensor) -> Tensor:
    """Flatten [N, H, W] to [N, H × W] with mean 0 and length 1, which removes brightness and contrast."""
    rows = pictures.flatten(1)
    return functional.normalize(rows - rows.mean(1, keepdim=True), dim=1)


def _matches(pictures: Tensor, others: Tensor | None, threshold: float) -> Iterator[tuple[int, int, float, bool]]:
    """Yield matches as index in `pictures`, index in `others`, score, mirrored; None compares `pictures` themselves."""
    among = others is None
    thumbnails = _thumbnails(pictures)
    for mirrored in (False, True):
        seen = pictures if others is None else others
        seen = seen.flip(2) if mirrored else seen
        for left, right in _candidates(thumbnails, _thumbnails(seen), among):
            scores = _scores(pictures[left], seen[right])
            for index in (scores >= threshold).nonzero()[:, 0].tolist():
                yield int(left[index]), int(right[index]), float(scores[index]), mirrored


def _thumbnails(pictures: Tensor) -> Tensor:
    return _normalised(functional.adaptive_avg_pool2d(pictures[:, None], _THUMBNAIL)[:, 0])


def _candidates(ones: Tensor, others: Tensor, among: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield indices of thumbnails that correlate, by a blocked matrix product: int64 [K] and [K], K at most `_PAIRS`.

    Args:
        ones, others: normalised thumbnails.
        among: both are of the same rows, so each pair is given once, the smaller index first.
    """
    for start in range(0, len(ones), _BLOCK):
        block = ones[start : start + _BLOCK]
        for below in range(start if among else 0, len(others), _BLOCK):
            found = (block @ others[below : below + _BLOCK].T >= _CANDIDATE).nonzero()
            found += torch.tensor([start, below])
            if among:
                found = found[found[:, 0] < found[:, 1]]
            for first in range(0, len(found), _PAIRS):
                yield found[first : first + _PAIRS, 0], found[first : first + _PAIRS, 1]


def _scores(one: Tensor, other: Tensor) -> Tensor:
    """Correlate pictures [K, 48, 48] where they overlap and return the best of all shifts, symmetrically: [K]."""
    return torch.maximum(_within(one, other), _within(other, one))


def _within(one: Tensor, other: Tensor) -> Tensor:
    """Correlate the middle of `one` with every window of its size in `other`, and return the best: [K]."""
    best = torch.full((len(one),), -1.0)
    inner = slice(_SHIFT, _SIDE - _SHIFT)
    middle = _normalised(one[:, inner, inner])
    for down in range(2 * _SHIFT + 1):
        for across in range(2 * _SHIFT + 1):
            moved = other[:, down : down + _SIDE - 2 * _SHIFT, across : across + _SIDE - 2 * _SHIFT]
            best = torch.maximum(best, (middle * _normalised(moved)).sum(1))
    return best
