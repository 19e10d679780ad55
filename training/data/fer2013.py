"""This module reads FER2013 as labelled faces: seven classes, split by the file's Usage (Goodfellow et al. 2013)."""

from __future__ import annotations

from pathlib import Path

import torch

from fer_export.data import fer2013
from fer_export.errors import InvalidInputError
from training.data import sheets
from training.data.faces import Faces, one_hot

LABELS = fer2013.LABELS
HINT = f"fer2013.csv is in {fer2013.SOURCE}"


def find(path: Path) -> Path:
    """Find the FER2013 file in a folder, under any of its known names; a path of a file is returned as it is.

    Raises:
        InvalidInputError: there is no such file.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise InvalidInputError(f"there is no {path}", hint=HINT)
    for pattern in (*(f"{name}*" for name in fer2013.FILES), sheets.LABELS_FILE, "*.zip"):
        for found in sorted(path.glob(pattern)):
            return found
    raise InvalidInputError(f"{path} holds no fer2013.csv", hint=HINT)


def read_faces(path: Path, *, skip_bad: bool = False) -> Faces:
    """Read FER2013.

    Args:
        path: fer2013.csv, icml_face_data.csv or train.csv, plain or packed; or the folder that holds one, or one of
            picture sheets (`training/data/sheets.py`).
        skip_bad: leave out invalid rows, with a `SkippedWarning` for each.

    Returns:
        Pictures uint8 [N, 1, 48, 48], one-hot targets [N, 7]; rows of a file without the column
        `emotion` have no label, rows of one without `Usage` are Training.

    Raises:
        InvalidInputError: no such file, or a row is invalid; the error names file and row.
    """
    path = find(path)
    rows = read_rows(path, skip_bad=skip_bad)
    faces = Faces(
        name="FER2013",
        protocol="the labels of FER2013",
        labels=LABELS,
        pixels=torch.from_numpy(rows.pixels)[:, None],
        targets=one_hot(rows.emotions, len(LABELS)),
        split=rows.usage,
        where=places(path, len(rows.pixels)),
    )
    return faces if rows.usage.all() else faces.rows(rows.usage != "")


def read_rows(path: Path, *, skip_bad: bool = False) -> fer2013.Fer2013:
    """Read the rows of a file that `find` has found: a CSV, or the labels of a folder of sheets."""
    return sheets.read_sheets(path) if sheets.is_sheets(path) else fer2013.read_csv(path, skip_bad=skip_bad)


def places(path: Path, count: int) -> tuple[str, ...]:
    """Say where each row comes from; the first after the header is row 1."""
    return tuple(f"{path.name}, row {number}" for number in range(1, count + 1))
