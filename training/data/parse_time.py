"""This module times how long FER2013 takes to read, with our reader, its cache, and pandas, in one run."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fer_export.data import fer2013
from fer_export.errors import InvalidInputError
from training.data.fer2013 import find

T = TypeVar("T")


@dataclass(frozen=True)
class Times:
    """Hold times in seconds, each measured once in the same run; `unpack` is a part of `parse` and `pandas`."""

    file: str
    rows: int
    unpack: float
    parse: float
    cached: float
    pandas: float

    def record(self) -> dict[str, Any]:
        """Return the times and their ratios, for JSON."""
        return {
            **asdict(self),
            "pandas_to_parse": self.pandas / self.parse,
            "pandas_to_cached": self.pandas / self.cached,
        }

    def lines(self) -> list[str]:
        """Return the times as lines of text."""
        return [
            f"{self.file}, {self.rows:,} rows",
            f"  unpacking alone           {self.unpack:6.2f} s",
            f"  our reader, no cache      {self.parse:6.2f} s",
            f"  our reader, cached        {self.cached:6.2f} s",
            f"  pandas and numpy          {self.pandas:6.2f} s",
            f"pandas takes {self.pandas / self.parse:.1f} times as long as our reader, "
            f"{self.pandas / self.cached:.0f} times as long as the cache",
        ]


def time_parsing(path: Path) -> Times:
    """Read the file in every way, and check that all give the same pixels.

    Raises:
        ModuleNotFoundError: pandas is not installed.
        InvalidInputError: the file is invalid, or pandas reads other pixels.
    """
    import pandas

    path = find(path)

    def by_pandas() -> np.ndarray[Any, np.dtype[np.uint8]]:
        frame = pandas.read_csv(path, skipinitialspace=True)
        frame.columns = frame.columns.str.strip().str.lower()
        return np.stack([np.fromstring(text, np.uint8, sep=" ") for text in frame["pixels"]])

    def unpack() -> int:
        with fer2013.unpacked(path) as stream:
            return sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))

    unpacking, _ = _timed(unpack)
    parsing, rows = _timed(lambda: fer2013.parse(path))
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("FER_EXPORT_CACHE")
        os.environ["FER_EXPORT_CACHE"] = folder
        try:
            fer2013.read_csv(path)
            cached, again = _timed(lambda: fer2013.read_csv(path))
        finally:
            if before is None:
                del os.environ["FER_EXPORT_CACHE"]
            else:
                os.environ["FER_EXPORT_CACHE"] = before
    slow, theirs = _timed(by_pandas)
    if not np.array_equal(rows.pixels.reshape(len(theirs), -1), theirs) or not np.array_equal(
        again.pixels, rows.pixels
    ):
        raise InvalidInputError(f"{path}: pandas reads other pixels than we do")
    return Times(path.name, len(theirs), unpacking, parsing, cached, slow)


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    answer = call()
    return time.perf_counter() - began, answer
