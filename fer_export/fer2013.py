"""FER2013 as Kaggle gives it: a CSV of emotion, pixels and Usage (Goodfellow et al. 2013)."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fer_export.errors import InvalidInputError

SIZE = 48
#: The seven classes in the order of the file's numbers.
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_PACKED: dict[str, Callable[[Path], Any]] = {".xz": lzma.LZMAFile, ".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}


@dataclass(frozen=True)
class Fer2013:
    """Rows of the file, in its order.

    Attributes:
        pixels: uint8 [N, 48, 48].
        emotions: int64 [N], an index into `LABELS`; -1 where the file has no such column.
        usage: str [N]: Training, PublicTest or PrivateTest.
    """

    pixels: npt.NDArray[np.uint8]
    emotions: npt.NDArray[np.int64]
    usage: npt.NDArray[np.str_]

    def split(self, usage: str) -> npt.NDArray[np.bool_]:
        """A mask [N] of the rows with this usage.

        Raises:
            InvalidInputError: there are none.
        """
        mask = self.usage == usage
        if not mask.any():
            raise InvalidInputError(
                f"no row has Usage {usage}", hint=f"there is: {', '.join(sorted(set(self.usage.tolist())))}"
            )
        return np.asarray(mask)


def read(path: Path, *, usage: str | None = None, limit: int | None = None) -> Fer2013:
    """Read a FER2013 CSV, plain or packed with xz, gz or bz2.

    Args:
        path: the file.
        usage: keep only these rows; all where None.
        limit: stop after so many kept rows.

    Raises:
        InvalidInputError: the file is missing, unreadable, or a row does not hold; the error names
            file and row.
    """
    pixels, emotions, usages = [], [], []
    for number, row_usage, emotion, text in _rows(path):
        if usage is not None and row_usage != usage:
            continue
        try:
            # int64 first: straight to uint8, a value of 256 would wrap round unseen.
            values = np.fromstring(text, np.int64, sep=" ")
        except ValueError as error:
            raise InvalidInputError(f"{path}, row {number}: pixels are not numbers") from error
        if values.size != SIZE * SIZE:
            raise InvalidInputError(f"{path}, row {number}: {values.size} pixels, and {SIZE * SIZE} belong there")
        if values.min() < 0 or values.max() > 255:
            raise InvalidInputError(f"{path}, row {number}: a pixel lies outside 0–255")
        if emotion not in range(-1, len(LABELS)):
            raise InvalidInputError(f"{path}, row {number}: emotion {emotion} is not 0–{len(LABELS) - 1}")
        pixels.append(values.astype(np.uint8).reshape(SIZE, SIZE))
        emotions.append(emotion)
        usages.append(row_usage)
        if limit is not None and len(pixels) >= limit:
            break
    if not pixels:
        raise InvalidInputError(f"{path} holds no row" + (f" with Usage {usage}" if usage else ""))
    return Fer2013(np.stack(pixels), np.array(emotions, np.int64), np.array(usages))


def _rows(path: Path) -> Iterator[tuple[int, str, int, str]]:
    """Row number (the first after the header is 1), usage, emotion, pixel text."""
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="FER2013: https://www.kaggle.com/datasets/msambare/fer2013")
    try:
        with _open(path) as text:
            reader = csv.reader(text)
            header = [name.strip().lower() for name in next(reader, [])]
            if "pixels" not in header:
                raise InvalidInputError(f"{path}: no column 'pixels' (found: {', '.join(header) or 'nothing'})")
            columns = {name: header.index(name) for name in ("pixels", "emotion", "usage") if name in header}
            for number, row in enumerate(reader, 1):
                if not row:
                    continue
                if len(row) != len(header):
                    raise InvalidInputError(
                        f"{path}, row {number}: {len(row)} fields, and the header has {len(header)}"
                    )
                emotion = _emotion(row[columns["emotion"]], path, number) if "emotion" in columns else -1
                usage = row[columns["usage"]].strip() if "usage" in columns else "Training"
                yield number, usage, emotion, row[columns["pixels"]]
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from error


def _emotion(text: str, path: Path, number: int) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInputError(f"{path}, row {number}: emotion {text!r} is not a number") from error


def _open(path: Path) -> IO[str]:
    packed = _PACKED.get(path.suffix)
    return io.TextIOWrapper(packed(path) if packed else path.open("rb"), "utf-8", newline="")
