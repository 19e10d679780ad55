"""This module keeps `sources.csv`: where each picture came from, and what became of each address. It only grows."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError
from fer_export.files import replacing

NAME = "sources.csv"
KEPT, COPY, KNOWN, STOPPED, ERROR = "kept", "copy", "known", "stopped", "error"
#: Verdict → what it means. The last two are reported but not written to the file.
VERDICTS = {
    KEPT: "written to the folder",
    COPY: "the same bytes or the same pixels as a kept one",
    "too large": "over --max-bytes, or over 50 megapixels",
    "too small": "a side under --min-size",
    "wrong type": "not one of --types",
    "broken": "cannot be decoded",
    "robots": "robots.txt does not allow it",
    "private": "in this machine's own network, where --url is not",
    ERROR: "no answer, or an unexpected one; the next run asks again",
    KNOWN: "has a row of an earlier page or run, not asked for again",
    STOPPED: "--max-total is reached",
}


class Refusal(Exception):
    """This exception says that an address gives no picture: the verdict for `sources.csv`, and why."""

    def __init__(self, verdict: str, detail: str, *, status: int = 0, address: str = "") -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.detail = detail
        self.status = status
        self.address = address


@dataclass(frozen=True)
class Source:
    """Hold one row of `sources.csv`.

    Attributes:
        query: the query as it was given.
        page: address of the result page.
        address: the picture's address as the page has it; empty where the row is about the page itself.
        final_address: the address after redirects.
        file: path in the folder, with forward slashes; for a copy, the file of the picture it is a copy of.
        sha256: hash of the bytes, in hex.
        pixels_sha256: hash of size and decoded pixels, in hex.
        bytes: size of the file.
        type: jpeg, png or webp.
        width: pixels.
        height: pixels.
        time: when the row was written, UTC, ISO 8601.
        status: HTTP status, 0 where there was no answer.
        verdict: a key of `VERDICTS`.
        detail: the reason, in words.
    """

    query: str
    page: str
    address: str = ""
    final_address: str = ""
    file: str = ""
    sha256: str = ""
    pixels_sha256: str = ""
    bytes: int = 0
    type: str = ""
    width: int = 0
    height: int = 0
    time: str = ""
    status: int = 0
    verdict: str = ERROR
    detail: str = ""


COLUMNS = tuple(field.name for field in fields(Source))
_NUMBERS = ("bytes", "width", "height", "status")


class Sources:
    """Hold the rows of a folder; each new one is on the disk when `add` returns."""

    def __init__(self, folder: Path) -> None:
        """Read the folder's rows, or begin a new file.

        Raises:
            InvalidInputError: the file is not what this module writes, or the folder cannot be written to.
        """
        self.path = folder / NAME
        self.verdicts: dict[str, str] = {}
        self.by_hash: dict[str, Source] = {}
        self.kept: Counter[str] = Counter()
        self.bytes = 0
        rows = _read(self.path) if self.path.exists() else []
        if not rows:
            with replacing(self.path) as new:
                new.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
        for row in rows:
            self._note(row)

    def add(self, source: Source) -> Source:
        """Append a row, stamped with the time.

        Raises:
            InvalidInputError: the file cannot be written.
        """
        stamped = Source(**{**asdict(source), "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
        try:
            with self.path.open("a", encoding="utf-8", newline="") as text:
                csv.writer(text, lineterminator="\n").writerow(asdict(stamped).values())
        except OSError as error:
            raise InvalidInputError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._note(stamped)
        return stamped

    def has(self, address: str) -> bool:
        """Return whether an address needs no further request: any verdict but an error is final."""
        return self.verdicts.get(address, ERROR) != ERROR

    def holds(self, address: str) -> bool:
        """Return whether the picture behind an address is in the folder, or was before somebody deleted it."""
        return self.verdicts.get(address) in {KEPT, COPY}

    def _note(self, row: Source) -> None:
        if row.address:
            self.verdicts[row.address] = row.verdict
        if row.final_address:
            self.verdicts.setdefault(row.final_address, row.verdict)
        if row.verdict == KEPT:
            self.by_hash[row.sha256] = self.by_hash[row.pixels_sha256] = row
            self.kept[row.query] += 1
            self.bytes += row.bytes


def _read(path: Path) -> list[Source]:
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        # A run was killed while it wrote this row. It is cut off, so that its address is fetched again.
        text = text[: text.rfind(b"\n") + 1]
        with replacing(path) as new:
            new.write_bytes(text)
    try:
        lines = text.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: not UTF-8 text", hint=_elsewhere(path)) from error
    if lines and tuple(lines[0].split(",")) != COLUMNS:
        raise InvalidInputError(f"{path}, row 1: not the columns of a sources.csv", hint=_elsewhere(path))
    rows = []
    for number, line in enumerate(lines[1:], 2):
        try:
            (cells,) = csv.reader([line], strict=True)
            record: dict[str, Any] = dict(zip(COLUMNS, cells, strict=True))
            if record["verdict"] not in VERDICTS:
                raise ValueError(record["verdict"])
            rows.append(Source(**{**record, **{name: int(record[name]) for name in _NUMBERS}}))
        except (ValueError, csv.Error) as error:
            raise InvalidInputError(
                f"{path}, row {number}: not a row of a sources.csv", hint=_elsewhere(path)
            ) from error
    return rows


def _elsewhere(path: Path) -> str:
    return f"correct or remove that row, or collect into another folder than {path.parent}"
