"""This module reads FER2013 in Kaggle's format: a CSV of emotion, pixels and Usage (Goodfellow et al. 2013)."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import hashlib
import io
import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fer_export.errors import FerExportError, InvalidInputError
from fer_export.files import replacing

SIZE = 48
#: The seven classes in the order of the numbers in the file.
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: Names under which the file is distributed, the most complete first.
FILES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
#: Where the CSV is to be had; other pages of Kaggle have the pictures alone.
SOURCE = (
    "https://www.kaggle.com/competitions/challenges-in-representation-learning-facial-expression-recognition-challenge"
)
_PACKED: dict[str, Callable[[Path], Any]] = {".xz": lzma.LZMAFile, ".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}
_DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
_BLOCK = 1 << 20
#: The number of rows that are converted at once, so that temporary arrays stay in the processor's cache.
_AT_ONCE = 16
#: With fewer rows than this, parsing is as quick as reading the cache.
_WORTH_CACHING = 1000


@dataclass(frozen=True)
class Fer2013:
    """Hold rows of the file, in its order.

    Attributes:
        pixels: uint8 [N, 48, 48].
        emotions: int64 [N], an index into `LABELS`; -1 where the file has no such column.
        usage: str [N]: Training, PublicTest or PrivateTest; empty for a row that was skipped.
    """

    pixels: npt.NDArray[np.uint8]
    emotions: npt.NDArray[np.int64]
    usage: npt.NDArray[np.str_]

    def split(self, usage: str) -> npt.NDArray[np.bool_]:
        """Return a mask [N] of the rows with this usage.

        Raises:
            InvalidInputError: no row has it.
        """
        mask = self.usage == usage
        if not mask.any():
            raise InvalidInputError(
                f"no row has Usage {usage}", hint=f"there is: {', '.join(sorted(set(self.usage.tolist())))}"
            )
        return np.asarray(mask)


class SkippedWarning(UserWarning):
    """Warn that an invalid row or file was left out, as the caller asked: "place: reason"."""


def read_csv(path: Path, *, usage: str | None = None, limit: int | None = None, skip_bad: bool = False) -> Fer2013:
    """Read a FER2013 CSV, plain or packed with xz, gz, bz2 or zip; a whole file is parsed only once.

    The parsed rows are kept in `cache_folder()` under the SHA-256 of the file's bytes.

    Args:
        path: the CSV file.
        usage: keep only rows with this Usage; None keeps all.
        limit: stop after this many kept rows.
        skip_bad: warn about an invalid row with a `SkippedWarning`. It keeps its place, black,
            without emotion and Usage, so that data joined by row position still fits.

    Raises:
        InvalidInputError: the file is missing or unreadable, or a row is invalid; the error names
            file and row.
    """
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint=f"fer2013.csv is in {SOURCE}")
    kept = _cache_path(path)
    rows = _cached(kept)
    if rows is not None:
        return _joined(iter([rows]), path, usage, limit)
    if limit is not None:
        return parse(path, usage=usage, limit=limit, skip_bad=skip_bad)
    rows = parse(path, skip_bad=skip_bad)
    if not rows.usage.any():
        raise InvalidInputError(f"{path}: none of its {len(rows.usage)} rows is valid")
    # A file with skipped rows is not cached, so that the warnings come again.
    if rows.usage.all():
        _keep(rows, kept)
    return rows if usage is None else _joined(iter([rows]), path, usage, limit)


def parse(path: Path, *, usage: str | None = None, limit: int | None = None, skip_bad: bool = False) -> Fer2013:
    """Read as `read_csv` does, without the cache."""
    try:
        return _joined(_fast(path), path, usage, limit)
    except _Unusual:
        return _joined(_careful(path, skip_bad), path, usage, limit)


def cache_folder() -> Path:
    """Return `$FER_EXPORT_CACHE`, or `fer-export` in `$XDG_CACHE_HOME` or `~/.cache`; it may be emptied at any time."""
    if own := os.environ.get("FER_EXPORT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "fer-export"


def _joined(blocks: Iterator[Fer2013], path: Path, usage: str | None, limit: int | None) -> Fer2013:
    """Return the wanted rows of all blocks; no more blocks are read than needed."""
    parts, count = [], 0
    for block in blocks:
        wanted = slice(None) if usage is None else np.flatnonzero(block.usage == usage)
        part = [column[wanted][: None if limit is None else limit - count] for column in vars(block).values()]
        parts.append(part)
        count += len(part[0])
        if limit is not None and count >= limit:
            break
    if not count:
        raise InvalidInputError(f"{path} holds no row" + (f" with Usage {usage}" if usage else ""))
    return Fer2013(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class _Unusual(Exception):
    """Signal something that the fast reader leaves to the careful one."""


def _fast(path: Path) -> Iterator[Fer2013]:
    """Read whole blocks at a time, for files in the usual form; anything unusual raises `_Unusual`."""
    with _readable(path), unpacked(path) as stream, closing(_ahead(stream)) as blocks:
        header: list[str] = []
        columns: dict[str, int] = {}
        carried = b""
        for block in blocks:
            *lines, carried = _split(carried + block, b"\n") if block else (carried, b"")
            if not header and lines:
                lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
                header = [name.decode().strip().lower() for name in _fields(lines.pop(0))]
                columns = _columns(header, path)
            rows = [_fields(line) for line in lines if line and line != b"\r"]
            if any(len(row) != len(header) for row in rows):
                raise _Unusual
            for start in range(0, len(rows), _AT_ONCE):
                yield _converted(rows[start : start + _AT_ONCE], columns)


def _fields(line: bytes) -> list[bytes]:
    line = line.removesuffix(b"\r")
    if not line.isascii() or b"\r" in line:
        raise _Unusual
    fields = _split(line, b",")
    if b'"' in line:
        fields = [field[1:-1] if field[:1] == field[-1:] == b'"' != field else field for field in fields]
        if any(b'"' in field for field in fields):
            raise _Unusual
    return fields


def _split(text: bytes, separator: bytes) -> list[bytes]:
    """Split as `bytes.split` does, but several times as fast where the parts are long."""
    parts, start = [], 0
    while (end := text.find(separator, start)) >= 0:
        parts.append(text[start:end])
        start = end + 1
    return [*parts, text[start:]]


def _converted(rows: list[list[bytes]], columns: dict[str, int]) -> Fer2013:
    pixels = _numbers([row[columns["pixels"]] for row in rows])
    emotions = np.full(len(rows), -1, np.int64)
    if "emotion" in columns:
        try:
            emotions[:] = [int(row[columns["emotion"]]) for row in rows]
        except ValueError as error:
            raise _Unusual from error
    if emotions.min() < -1 or emotions.max() >= len(LABELS):
        raise _Unusual
    usage = [row[columns["usage"]].decode().strip() if "usage" in columns else "Training" for row in rows]
    return Fer2013(pixels, emotions, np.array(usage))


def _numbers(texts: list[bytes]) -> npt.NDArray[np.uint8]:
    """Convert rows of text to pixels, uint8 [rows, 48, 48], without a Python loop over the bytes.

    A number ends at a digit that no digit follows; its value is made of that digit and the two before it.
    """
    text = np.frombuffer(b"   " + b" ".join(texts) + b" ", np.uint8)
    digits = text - np.uint8(48)
    is_digit = digits < 10
    if not (is_digit | (text == 32)).all():
        raise _Unusual
    digits *= is_digit
    pairs = is_digit[1:] & is_digit[:-1]
    if (pairs[2:] & pairs[:-2]).any():
        raise _Unusual
    values = digits[2:].astype(np.uint16)
    values += digits[1:-1] * np.uint8(10)
    values += np.multiply(digits[:-2] * is_digit[1:-1], 100, dtype=np.uint16)
    ends = np.flatnonzero(is_digit[2:-1] > is_digit[3:])
    borders = np.cumsum([len(row) + 1 for row in texts])
    per_row = np.diff(np.searchsorted(ends, borders), prepend=0)
    if (per_row != SIZE * SIZE).any():
        raise _Unusual
    found = values.take(ends)
    if found.max() > 255:
        raise _Unusual
    return found.astype(np.uint8).reshape(-1, SIZE, SIZE)


def _careful(path: Path, skip_bad: bool) -> Iterator[Fer2013]:
    """Read one row at a time with the csv module: accept any CSV, and name the row that is invalid."""
    with _readable(path), io.TextIOWrapper(unpacked(path), "utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        header = [name.strip().lower() for name in next(reader, [])]
        columns = _columns(header, path)
        for number, row in enumerate(reader, 1):
            if not row:
                continue
            try:
                yield _row(row, header, columns, f"{path}, row {number}")
            except InvalidInputError as error:
                if not skip_bad:
                    raise
                warnings.warn(SkippedWarning(f"skipped: {error.reason}"), stacklevel=2)
                yield Fer2013(np.zeros((1, SIZE, SIZE), np.uint8), np.array([-1]), np.array([""]))


def _row(row: list[str], header: list[str], columns: dict[str, int], place: str) -> Fer2013:
    if len(row) != len(header):
        raise InvalidInputError(f"{place}: {len(row)} fields, and the header has {len(header)}")
    usage = row[columns["usage"]].strip() if "usage" in columns else "Training"
    emotion = _emotion(row[columns["emotion"]], place) if "emotion" in columns else -1
    return Fer2013(_pixels(row[columns["pixels"]], place)[None], np.array([emotion]), np.array([usage]))


def _emotion(text: str, place: str) -> int:
    try:
        emotion = int(text)
    except ValueError as error:
        raise InvalidInputError(f"{place}: emotion {text!r} is not a number") from error
    if emotion not in range(-1, len(LABELS)):
        raise InvalidInputError(f"{place}: emotion {emotion} is not 0–{len(LABELS) - 1}")
    return emotion


def _pixels(text: str, place: str) -> npt.NDArray[np.uint8]:
    try:
        values = [int(value) for value in text.split()]
    except ValueError as error:
        raise InvalidInputError(f"{place}: pixels are not numbers") from error
    if len(values) != SIZE * SIZE:
        raise InvalidInputError(f"{place}: {len(values)} pixels, and {SIZE * SIZE} belong there")
    if min(values) < 0 or max(values) > 255:
        raise InvalidInputError(f"{place}: a pixel lies outside 0–255")
    return np.array(values, np.uint8).reshape(SIZE, SIZE)


def _columns(header: list[str], path: Path) -> dict[str, int]:
    if "pixels" not in header:
        found = ", ".join(name[:40] for name in header[:5]) or "nothing"
        more = f" and {len(header) - 5:,} more" if len(header) > 5 else ""
        raise InvalidInputError(
            f"{path}: no column 'pixels' (found: {found}{more})",
            hint=f"a row has all pixels of its picture in one column, as in the file of {SOURCE}",
        )
    return {name: header.index(name) for name in ("pixels", "emotion", "usage") if name in header}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InvalidInputError(f"cannot read {path}: {error}") from error


def _ahead(stream: IO[bytes]) -> Generator[bytes]:
    """Yield the stream's blocks, then an empty one; a thread unpacks each while the one before is parsed."""
    with ThreadPoolExecutor(1) as pool:
        block = stream.read(_BLOCK)
        while block:
            coming = pool.submit(stream.read, _BLOCK)
            yield block
            block = coming.result()
        yield b""


def unpacked(path: Path) -> IO[bytes]:
    """Open the CSV's bytes, unpacked."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _unzipped(path)
    opened: IO[bytes] = _PACKED[suffix](path) if suffix in _PACKED else path.open("rb")
    return opened


def _unzipped(path: Path) -> IO[bytes]:
    """Open the CSV in a zip: the only one, or the one with a known name."""
    archive = zipfile.ZipFile(path)
    found = [name for name in archive.namelist() if name.lower().endswith(".csv") and not name.startswith("__MACOSX")]
    known = [name for file in FILES for name in found if PurePosixPath(name).name.lower() == file]
    if len(found) != 1 and not known:
        there = ", ".join(found) or "no CSV"
        raise InvalidInputError(f"{path}: which file is FER2013? It holds {there}", hint=f"name one {FILES[0]}")
    try:
        return archive.open((known or found)[0])
    except (RuntimeError, NotImplementedError) as error:
        raise InvalidInputError(f"cannot read {path}: {error}", hint="unpack it first") from error


def _cache_path(path: Path) -> Path:
    with _readable(path), path.open("rb") as file:
        return cache_folder() / f"fer2013-1-{hashlib.file_digest(file, 'sha256').hexdigest()}.npz"


def _cached(path: Path) -> Fer2013 | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            rows = Fer2013(kept["pixels"], kept["emotions"], kept["usage"])
    except (*_DAMAGE, ValueError, KeyError):
        return None
    count = len(rows.pixels)
    sound = rows.pixels.shape == (count, SIZE, SIZE) and rows.emotions.shape == rows.usage.shape == (count,)
    return rows if sound and rows.pixels.dtype == np.uint8 else None


def _keep(rows: Fer2013, path: Path) -> None:
    """Write the rows to the cache; if that fails, the file is parsed again next time."""
    if len(rows.pixels) < _WORTH_CACHING:
        return
    try:
        with replacing(path) as temporary:
            np.savez(temporary, pixels=rows.pixels, emotions=rows.emotions, usage=rows.usage)
    except (OSError, FerExportError):
        return
