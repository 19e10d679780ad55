"""FER+: ten people's votes on each FER2013 picture (Barsoum et al. 2016, https://arxiv.org/abs/1608.01041).

The votes are joined to FER2013 **by row position**: `Image name` is not the row number and repeats.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_export.errors import InvalidInputError

#: The eight emotions in the order of the file's columns.
LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
_COLUMNS = (*LABELS, "unknown", "NF")

Votes = npt.NDArray[np.int64]


def read_votes(path: Path) -> Votes:
    """The votes, int64 [N, 10]: the eight emotions, then unknown and not-a-face.

    Raises:
        InvalidInputError: the file is missing, lacks a column, or a row does not hold.
    """
    if not path.is_file():
        raise InvalidInputError(
            f"no file {path}", hint="FER+ votes: fer2013new.csv from https://github.com/microsoft/FERPlus"
        )
    with path.open(newline="", encoding="utf-8") as text:
        reader = csv.DictReader(text)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise InvalidInputError(f"{path}: no column {', '.join(missing)}")
        try:
            return np.array([[int(row[name]) for name in _COLUMNS] for row in reader], np.int64)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"{path}: {error}") from error


def without_single_votes(votes: Votes) -> Votes:
    """The votes with every class that got only one vote set to none, as Microsoft's script does."""
    return np.where(votes <= 1, 0, votes)


def majority(votes: Votes) -> npt.NDArray[np.int64]:
    """Microsoft's majority protocol: the class, int64 [N], or -1 where there is none.

    Single votes are dropped; the top class must have more than half of what is left and must not be
    unknown or NF.
    """
    kept = without_single_votes(votes)
    top = kept.argmax(1)
    agreed = (kept.max(1) * 2 > kept.sum(1)) & (top < len(LABELS))
    return np.where(agreed, top, -1)


def soft(votes: Votes) -> npt.NDArray[np.float32]:
    """The distribution of votes over the eight emotions, float32 [N, 8]; a row of zeros where none.

    Single votes are dropped. A row whose top class is unknown or NF has no distribution.
    """
    kept = without_single_votes(votes)
    emotions = np.where((kept.argmax(1) < len(LABELS))[:, None], kept[:, : len(LABELS)], 0)
    total = emotions.sum(1, keepdims=True)
    return (emotions / np.maximum(total, 1)).astype(np.float32)
