"""This module reads FER+, ten people's votes on each FER2013 picture (Barsoum et al. 2016, arXiv:1608.01041).

The votes are joined to FER2013 **by row position**: `Image name` is not the row number and repeats.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fer_export.errors import InvalidInputError
from training.data import sheets
from training.data.faces import Faces, one_hot
from training.data.fer2013 import find, places, read_rows

#: The eight emotions in the order of the file's columns.
LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
#: Protocol by which votes become targets → what the contract says of it.
PROTOCOLS = {
    "majority": "FER+ majority: single votes dropped, more than half of what is left, neither unknown nor NF",
    "argmax": "FER+ argmax: the class with most votes, the first of the file's order on ties, neither unknown nor NF",
    "soft": "FER+ soft: the distribution of votes over the emotions, single votes dropped",
}
_COLUMNS = (*LABELS, "unknown", "NF")

Votes = npt.NDArray[np.int64]


def faces(path: Path, protocol: str, votes: Path | None = None, *, skip_bad: bool = False) -> Faces:
    """Read FER2013's pictures with FER+ targets.

    Args:
        path: FER2013's file, or the folder that holds it, or one of picture sheets with their votes.
        protocol: `majority` or `argmax`, one-hot; or `soft`, a distribution.
        votes: fer2013new.csv; beside the pictures' file where None.
        skip_bad: leave out invalid pictures, with a `SkippedWarning` for each.

    Returns:
        All rows of the pictures' file: uint8 [N, 1, 48, 48], targets float32 [N, 8]. Where the protocol
        finds no label the target is zeros: `Faces.labelled` drops those.

    Raises:
        InvalidInputError: the protocol is unknown, a file is invalid, or the two files do not have the same rows.
    """
    if protocol not in PROTOCOLS:
        raise InvalidInputError(f"FER+ has no protocol {protocol!r}", hint=f"there is: {', '.join(PROTOCOLS)}")
    path = find(path)
    rows = read_rows(path, skip_bad=skip_bad)
    in_sheets = votes is None and sheets.is_sheets(path)
    votes = path if in_sheets else votes or path.parent / "fer2013new.csv"
    cast = sheets.read_sheet_votes(path) if in_sheets else read_votes(votes)
    if len(cast) < len(rows.pixels):
        raise InvalidInputError(
            f"{len(rows.pixels)} pictures and only {len(cast)} rows of votes: they are joined by row position",
            hint=f"the files are {path} and {votes}",
        )
    usage = [] if in_sheets else _read_usage(votes)
    if len(usage) == len(cast):
        _same_order(rows.usage, usage, path, votes)
    cast = cast[: len(rows.pixels)]
    if protocol == "soft":
        targets = torch.from_numpy(soft(cast))
    else:
        targets = one_hot((majority if protocol == "majority" else argmax)(cast), len(LABELS))
    joined = Faces(
        name="FER2013 pictures with FER+ votes",
        protocol=PROTOCOLS[protocol],
        labels=LABELS,
        pixels=torch.from_numpy(rows.pixels)[:, None],
        targets=targets,
        split=rows.usage,
        where=places(path, len(rows.pixels)),
    )
    return joined if rows.usage.all() else joined.rows(rows.usage != "")


def read_votes(path: Path) -> Votes:
    """Read the votes, int64 [N, 10]: the eight emotions, then unknown and not-a-face.

    Raises:
        InvalidInputError: the file is missing, lacks a column, or has an invalid row.
    """
    if not path.is_file():
        raise InvalidInputError(
            f"no file {path}", hint="FER+ votes: fer2013new.csv from https://github.com/microsoft/FERPlus"
        )
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise InvalidInputError(f"{path}: no column {', '.join(missing)}")
            for number, row in enumerate(reader, 1):
                rows.append(_votes(row, f"{path}, row {number}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from error
    if not rows:
        raise InvalidInputError(f"{path} holds no row of votes")
    return np.array(rows, np.int64)


def _votes(row: dict[str, str], place: str) -> list[int]:
    try:
        votes = [int(row[name]) for name in _COLUMNS]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{place}: votes are not numbers") from error
    if min(votes) < 0:
        raise InvalidInputError(f"{place}: fewer than no votes")
    return votes


def _read_usage(path: Path) -> list[str]:
    """Read the column Usage; the list is empty where there is none."""
    with path.open(newline="", encoding="utf-8-sig") as text:
        return [row["Usage"].strip() for row in csv.DictReader(text) if row.get("Usage")]


def _same_order(pictures: npt.NDArray[np.str_], votes: list[str], path: Path, votes_path: Path) -> None:
    """Refuse files whose Usage differs in a row, since a join by position would then be wrong."""
    for number, (one, other) in enumerate(zip(pictures.tolist(), votes, strict=False), 1):
        # A row that was skipped has no Usage.
        if one and one != other:
            raise InvalidInputError(
                f"row {number} is {one} in {path} and {other} in {votes_path}: the rows are not in the same order",
                hint="votes are joined by row position: take both files as they were published",
            )


def without_single_votes(votes: Votes) -> Votes:
    """Drop single votes: set every class that got only one vote to 0, as Microsoft's script does."""
    return np.where(votes <= 1, 0, votes)


def majority(votes: Votes) -> npt.NDArray[np.int64]:
    """Return each row's class by Microsoft's majority protocol: int64 [N], -1 where there is none.

    Single votes are dropped; the top class must have more than half of what is left and must not be
    unknown or NF.
    """
    kept = without_single_votes(votes)
    top = kept.argmax(1)
    agreed = (kept.max(1) * 2 > kept.sum(1)) & (top < len(LABELS))
    return np.where(agreed, top, -1)


def argmax(votes: Votes) -> npt.NDArray[np.int64]:
    """Return the class with most votes: int64 [N], -1 where unknown or NF has most.

    Single votes count. On a tie the first class in the file's order wins, so an emotion wins over unknown
    and NF, and neutral over any other emotion. A row without votes has no class.
    """
    top = votes.argmax(1)
    return np.where((top < len(LABELS)) & (votes.max(1) > 0), top, -1)


def soft(votes: Votes) -> npt.NDArray[np.float32]:
    """Return the distribution of votes over the eight emotions, float32 [N, 8]; a row of zeros where there is none.

    Single votes are dropped. A row whose top class is unknown or NF has no distribution.
    """
    kept = without_single_votes(votes)
    emotions = np.where((kept.argmax(1) < len(LABELS))[:, None], kept[:, : len(LABELS)], 0)
    total = emotions.sum(1, keepdims=True)
    shares: npt.NDArray[np.float32] = (emotions / np.maximum(total, 1)).astype(np.float32)
    return shares
