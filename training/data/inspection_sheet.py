"""This module draws the contact sheet of an inspection."""

from __future__ import annotations

from pathlib import Path

import torch

from training.data import contact_sheet
from training.data.contact_sheet import Row, Section
from training.data.faces import Faces
from training.data.inspection import Inspection, label_of

#: How many pictures of each class are shown; how many rows of pairs; and how many pictures are in such a row.
_EACH, _PAIRS, _BESIDE = 10, 4, 10


def write(faces: Faces, found: Inspection, path: Path) -> None:
    """Draw some pictures of each class, copies with other labels, near copies, and flat pictures.

    The sheet holds pictures of the data set, so the terms of the data set apply to it.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    conflicting = [row for group in found.conflicts for row in _two_labels(faces, group)]
    # The least alike pairs come first, because they show where the limit lies.
    near = [row for pair in sorted(found.near, key=lambda pair: pair.score) for row in (pair.first, pair.second)]
    contact_sheet.write(
        [
            Section(f"{found.name}: some of each class", [_class(faces, label) for label in faces.labels]),
            Section("The same picture with another label, in pairs", _rows(faces, conflicting)),
            Section("Near copies, in pairs, the least alike first", _rows(faces, near)),
            Section("Flat pictures", _rows(faces, found.flat)),
        ],
        path,
    )


def _class(faces: Faces, label: str) -> Row:
    rows = torch.nonzero(faces.classes == faces.labels.index(label))[:, 0]
    # Rows are taken evenly over the whole set, since its first rows may not be typical.
    chosen = rows[torch.linspace(0, max(len(rows) - 1, 0), min(_EACH, len(rows))).long()] if len(rows) else rows
    return Row(f"{label}\n{len(rows):,} rows", [faces.pixels[row] for row in chosen.tolist()])


def _two_labels(faces: Faces, group: list[int]) -> list[int]:
    """Return the first row of each of two labels of a group."""
    firsts = {label_of(faces, row): row for row in reversed(group)}
    firsts.pop("none", None)
    return sorted(firsts.values())[:2]


def _rows(faces: Faces, rows: list[int]) -> list[Row]:
    shown = rows[: _PAIRS * _BESIDE]
    return [
        Row(
            "",
            [faces.pixels[row] for row in part],
            [f"{label_of(faces, row)}, {faces.where[row].rpartition('row ')[2]}" for row in part],
        )
        for part in (shown[start : start + _BESIDE] for start in range(0, len(shown), _BESIDE))
    ]
