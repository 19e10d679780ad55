"""This module reads FER2013 with FER+ votes from picture sheets, a fifth of the size of the CSV that Kaggle gives.

A folder holds `00.webp`, `01.webp`, …: lossless sheets of 40 × 40 pictures of 48 × 48, row by row, in the order of the
CSV; the last sheet may have fewer rows. `labels.npz` beside them has for each picture `emotion`, `training` (true for
Training, false for PublicTest) and `votes`, the ten columns of FER+.
"""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fer_export.data.fer2013 import LABELS, SIZE, Fer2013
from fer_export.errors import InvalidInputError, first_line
from training.data.faces import PUBLIC, TRAINING

#: The file that makes a folder one of sheets.
LABELS_FILE = "labels.npz"
#: Pictures in a row of a sheet.
_ACROSS = 40
#: Columns of the votes.
_VOTES = 10


def is_sheets(path: Path) -> bool:
    """Return whether a path is the labels' file of a folder of sheets."""
    return path.name == LABELS_FILE


def read_sheets(labels: Path) -> Fer2013:
    """Read the pictures of a folder of sheets.

    Args:
        labels: its `labels.npz`.

    Returns:
        All rows, in the order of the CSV.

    Raises:
        InvalidInputError: a file is damaged, or there are fewer pictures than labels.
    """
    columns = _columns(labels)
    emotions = columns["emotion"].astype(np.int64)
    count = len(emotions)
    found = sorted(labels.parent.glob("*.webp"))
    # Four readings of the same rows, by two labels and two protocols, unpack them once.
    pictures = _pictures(tuple((path, path.stat().st_mtime_ns) for path in found))
    # The last row of the last sheet may be filled up.
    if not count <= len(pictures) < count + _ACROSS:
        raise InvalidInputError(f"{labels.parent}: {len(pictures)} pictures in {len(found)} sheets, and {count} labels")
    if emotions.max(initial=0) >= len(LABELS):
        raise InvalidInputError(f"{labels}: an emotion is not 0–{len(LABELS) - 1}")
    return Fer2013(pictures[:count], emotions, np.where(columns["training"], TRAINING, PUBLIC))


def read_sheet_votes(labels: Path) -> npt.NDArray[np.int64]:
    """Return the FER+ votes of a folder of sheets, int64 [N, 10]: the eight emotions, then unknown and not-a-face.

    Raises:
        InvalidInputError: the file is damaged.
    """
    return _columns(labels)["votes"].astype(np.int64)


def _columns(labels: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(labels, allow_pickle=False) as held:
            columns = {name: held[name] for name in ("emotion", "training", "votes")}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"cannot read {labels}: {first_line(error)}") from error
    count = len(columns["emotion"])
    shapes = {name: column.shape for name, column in columns.items()}
    if shapes != {"emotion": (count,), "training": (count,), "votes": (count, _VOTES)} or not count:
        raise InvalidInputError(f"{labels}: emotion, training and votes are {', '.join(map(str, shapes.values()))}")
    return columns


@lru_cache(maxsize=1)
def _pictures(sheets: tuple[tuple[Path, int], ...]) -> npt.NDArray[np.uint8]:
    """Return the pictures of all sheets, uint8 [N, 48, 48]; each sheet is named with the time of its last change."""
    with ThreadPoolExecutor() as pool:
        tiles = list(pool.map(_tiles, (path for path, _ in sheets)))
    pictures = np.concatenate(tiles) if tiles else np.empty((0, SIZE, SIZE), np.uint8)
    return pictures


def _tiles(path: Path) -> npt.NDArray[np.uint8]:
    """Cut a sheet into its pictures: uint8 [pictures, 48, 48]."""
    try:
        with Image.open(path) as opened:
            sheet = np.asarray(opened.convert("L") if opened.mode not in ("RGB", "RGBA") else opened)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InvalidInputError(f"cannot read {path}: {first_line(error)}") from error
    # WebP has no gray: its three channels are equal.
    gray = sheet if sheet.ndim == 2 else sheet[..., 0]
    height, width = gray.shape
    if width != _ACROSS * SIZE or height % SIZE or not height:
        raise InvalidInputError(f"{path} is {width} × {height}: a sheet is {_ACROSS * SIZE} wide, in rows of {SIZE}")
    rows = gray.reshape(height // SIZE, SIZE, _ACROSS, SIZE)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3)).reshape(-1, SIZE, SIZE)
