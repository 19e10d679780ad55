"""Pictures that are in a data set more than once: exactly, or nearly so."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.data.faces import Faces

#: The least correlation of two pictures that are called near copies. Chosen by eye on FER2013: of 30 pairs
#: looked at between 0.93 and 0.98 all were copies (other crop, light, watermark), of 6 at 0.90 two were not.
THRESHOLD = 0.93
#: The side of the pictures that are compared, and of the thumbnails that find candidates.
_SIDE, _THUMBNAIL = 48, 12
#: The least correlation of thumbnails, so that a copy moved by a pixel is still a candidate.
_CANDIDATE = 0.93
#: By how many pixels (of 48) a copy may be shifted.
_SHIFT = 2
_BLOCK = 2048


@dataclass(frozen=True)
class Pair:
    """Two rows that show nearly the same picture.

    Attributes:
        first, second: row numbers, first < second.
        score: correlation of their pixels where they overlap, at the best shift, −1–1.
        mirrored: the second is the first seen in a mirror.
    """

    first: int
    second: int
    score: float
    mirrored: bool


def exact_groups(faces: Faces) -> list[list[int]]:
    """Rows with the same pixels, each group in order, groups by their first row; only groups of two or more."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(_digests(faces)):
        groups[digest].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def near_pairs(faces: Faces, threshold: float = THRESHOLD) -> list[Pair]:
    """Pairs of rows that show nearly the same picture: mirrored, brighter, packed again, moved by a pixel or two.

    Candidates are found by the correlation of 12×12 thumbnails, all with all, and confirmed by that of the
    48×48 pictures at the best of 25 shifts. Flat pictures resemble nothing. Of exact copies only the first
    row takes part: `exact_groups` has the others.

    Args:
        faces: pictures of any size; colour is compared as gray.
        threshold: the least correlation of a pair.
    """
    pixels = _gray(faces.pixels)
    first_rows = _unique(faces) & ~flat(faces)
    rows = np.flatnonzero(first_rows)
    if len(rows) < 2:
        return []
    pictures = pixels[torch.from_numpy(rows)]
    thumbnails = _normalised(functional.adaptive_avg_pool2d(pictures[:, None], _THUMBNAIL)[:, 0])
    pairs = []
    for mirrored in (False, True):
        for left, right in _candidates(thumbnails, mirrored):
            scores = _scores(pictures[left], pictures[right], mirrored)
            for one, other, score in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True):
                if score >= threshold:
                    pairs.append(Pair(int(rows[one]), int(rows[other]), score, mirrored))
    best: dict[tuple[int, int], Pair] = {}
    for pair in sorted(pairs, key=lambda pair: pair.score):
        best[pair.first, pair.second] = pair
    return [best[key] for key in sorted(best)]


def leaked(faces: Faces, train: str, check: str, near: bool = False) -> npt.NDArray[np.bool_]:
    """A mask [N] of the rows of split `train` that copy a row of split `check`.

    Args:
        faces: pictures with their splits.
        train: Training, for instance.
        check: PublicTest, for instance.
        near: also near copies.

    Raises:
        InvalidInputError: a split has no row.
    """
    mask = np.zeros(len(faces), bool)
    mask[faces.split == train] = copied(faces.of(train), faces.of(check), near=near)
    return mask


def copied(faces: Faces, others: Faces, near: bool = False) -> npt.NDArray[np.bool_]:
    """A mask [N] of the rows of `faces` whose picture is also among `others`; nearly the same where `near`."""
    digests = set(_digests(others))
    mask = np.array([digest in digests for digest in _digests(faces)])
    if near:
        count = len(faces)
        both = replace(
            faces,
            pixels=torch.cat([faces.pixels, others.pixels]),
            targets=torch.cat([faces.targets, others.targets]),
            split=np.concatenate([faces.split, others.split]),
            where=(*faces.where, *others.where),
        )
        # Of exact copies one row stands for all: what is found of it holds for the rest of its group.
        group = _first_of_group(both)
        found: set[tuple[int, int]] = {(pair.first, pair.second) for pair in near_pairs(both)}
        near_to: dict[int, set[int]] = defaultdict(set)
        for one, other in found:
            near_to[one].add(other)
            near_to[other].add(one)
        checked = set(group[count:].tolist())
        mask |= np.array([bool(near_to[first] & checked) for first in group[:count].tolist()])
    return mask


def flat(faces: Faces) -> npt.NDArray[np.bool_]:
    """A mask [N] of pictures that show one colour only."""
    rows = faces.pixels.flatten(2)
    same: npt.NDArray[np.bool_] = (rows == rows[:, :, :1]).all(2).all(1).numpy()
    return same


def _digests(faces: Faces) -> Iterator[bytes]:
    for picture in faces.pixels.contiguous().numpy():
        yield hashlib.blake2b(picture, digest_size=16).digest()


def _unique(faces: Faces) -> npt.NDArray[np.bool_]:
    """The first row of each exact group, and every row that is in none."""
    unique: npt.NDArray[np.bool_] = _first_of_group(faces) == np.arange(len(faces))
    return unique


def _first_of_group(faces: Faces) -> npt.NDArray[np.int64]:
    """For each row the first row with the same pixels, int64 [N]."""
    firsts = np.arange(len(faces))
    for group in exact_groups(faces):
        firsts[group] = group[0]
    return firsts


def _gray(pixels: Tensor) -> Tensor:
    """uint8 [N, C, H, W] → float32 [N, 48, 48], a block at a time."""
    parts = [
        functional.adaptive_avg_pool2d(block.float().mean(1, keepdim=True), _SIDE)[:, 0]
        for block in torch.split(pixels, _BLOCK)
    ]
    return torch.cat(parts)


def _normalised(pictures: Tensor) -> Tensor:
    """[N, H, W] → [N, H × W] with mean 0 and length 1: what brightness and contrast leave as it was."""
    rows = pictures.flatten(1)
    return functional.normalize(rows - rows.mean(1, keepdim=True), dim=1)


def _candidates(thumbnails: Tensor, mirrored: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs first < second whose thumbnails correlate, by one blocked product; int64 [K] and [K]."""
    side = _THUMBNAIL
    others = thumbnails.view(-1, side, side).flip(2).flatten(1) if mirrored else thumbnails
    for start in range(0, len(thumbnails), _BLOCK):
        block = thumbnails[start : start + _BLOCK]
        for below in range(start, len(thumbnails), _BLOCK):
            found = (block @ others[below : below + _BLOCK].T >= _CANDIDATE).nonzero()
            left, right = found[:, 0] + start, found[:, 1] + below
            kept = left < right
            if kept.any():
                yield left[kept], right[kept]


def _scores(one: Tensor, other: Tensor, mirrored: bool) -> Tensor:
    """Correlation of pictures [K, 48, 48] where they overlap, the best of all shifts: [K]."""
    if mirrored:
        other = other.flip(2)
    best = torch.full((len(one),), -1.0)
    inner = slice(_SHIFT, _SIDE - _SHIFT)
    middle = _normalised(one[:, inner, inner])
    for down in range(2 * _SHIFT + 1):
        for across in range(2 * _SHIFT + 1):
            moved = other[:, down : down + _SIDE - 2 * _SHIFT, across : across + _SIDE - 2 * _SHIFT]
            best = torch.maximum(best, (middle * _normalised(moved)).sum(1))
    return best
