"""This module turns photos into aligned crops of their faces, and records where each crop comes from.

The faces are found by facenet-pytorch's MTCNN (`fer_export.faces.cascade`) and cut with the geometry
and sampling of deployed crops, so that a net is trained on pictures like those it will be shown.

`provenance.csv` records how far a run has come. A photo is done when all its rows are there, and its rows are
written after its crops, so a run that was stopped at any moment goes on with the photo it was at.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from fer_export.contract import Cascade
from fer_export.errors import InvalidInputError, UsageError
from fer_export.faces.cascade import detect
from fer_export.faces.face import Face
from fer_export.faces.photo import Photo, load_photo
from fer_export.files import replacing
from training.data import contact_sheet, pictures
from training.data.pictures import Pixels

PROVENANCE, SETTINGS, SHEET = "provenance.csv", "prepare.json", "contact_sheet.png"
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
#: `faces` is how many rows the photo has. A photo without a face has one row that names no crop.
COLUMNS = (
    *("crop", "source", "sha256", "faces", "score", "x1", "y1", "x2", "y2"),
    *(f"{point}_{axis}" for point in _POINTS for axis in "xy"),
    *("width", "height"),
)
Row = dict[str, str]
#: About how many crops the contact sheet shows, and how many of them in a line.
_SHOWN, _ACROSS = 240, 12


@dataclass(frozen=True)
class Settings:
    """Hold what decides the crops: `size` in pixels; `min_face` in pixels of the photo; `min_score` 0–1."""

    size: int = 48
    color: Literal["gray", "rgb"] = "gray"
    min_face: float = 40.0
    min_score: float = 0.9


@dataclass
class Summary:
    """Summarize what the output folder holds after a run, and what this run did.

    Attributes:
        photos: how many photos were found.
        done_before: how many of them an earlier run had done.
        faces: crops of these photos, of all runs.
        without_face: the photos without a face.
        skipped: the reason for each photo that could not be read.
        gone: crops whose photo was moved or deleted since; they are kept.
    """

    photos: int
    done_before: int = 0
    faces: int = 0
    without_face: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def prepare(
    photos: Path,
    output: Path,
    settings: Settings | None = None,
    *,
    skip_bad: bool = False,
    force: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Summary:
    """Find, align and crop the faces of a folder of photos.

    `photos/happy/x.jpg` → `output/happy/x-0.png`, x-1.png …, the largest face first, lossless. Where
    two photos of a folder differ only in their ending, the second is `x.png-0.png`.

    A photo that is recorded with the same SHA-256 is not searched again, with a face or without; crops
    that were deleted since then stay deleted. A photo that changed is cropped again.

    Args:
        photos: a folder, with subfolders or without; an output folder inside it is skipped.
        output: a new folder, an empty one, or that of an earlier run.
        settings: how to crop; the defaults where None.
        skip_bad: list photos that cannot be read and go on.
        force: remove the crops of an earlier run with other settings and start again.
        progress: called with (done, all) after each photo.

    Raises:
        InvalidInputError: there are no photos, a photo cannot be read, the output folder is not one of ours, its
            record is damaged, or it cannot be written.
        UsageError: the settings are not those of the earlier run, or out of range.
    """
    settings = settings or Settings()
    _check(settings)
    pictures.require_folder(photos)
    if photos.resolve() == output.resolve():
        raise UsageError(f"{output} holds the photos", hint="choose another folder for the crops with -o")
    inside = output.resolve()
    paths = [path for path in pictures.find(photos) if not path.resolve().is_relative_to(inside)]
    if not paths:
        raise InvalidInputError(f"{photos} holds no photo", hint=pictures.READ)
    # The path is relative, so that both folders can be moved together.
    record = _open(output, {"photos": os.path.relpath(photos, output), **asdict(settings)}, force)
    summary = Summary(photos=len(paths))
    for done, path in enumerate(paths, 1):
        source = path.relative_to(photos).as_posix()
        try:
            rows = _photo(path, source, output, settings, record, summary)
        except InvalidInputError as error:
            if not skip_bad:
                hint = "take it out or pass --skip-bad; what is done is kept"
                raise InvalidInputError(error.reason, hint=error.hint or hint) from error
            summary.skipped.append(error.reason)
        else:
            crops = [row for row in rows if row["crop"]]
            summary.faces += len(crops)
            if not crops:
                summary.without_face.append(source)
        if progress is not None:
            progress(done, len(paths))
    there = {path.relative_to(photos).as_posix() for path in paths}
    lost = [row["crop"] for source, rows in record.items() if source not in there for row in rows]
    summary.gone = [crop for crop in lost if crop and (output / crop).is_file()]
    _write_sheet(output, record)
    return summary


def _check(settings: Settings) -> None:
    pictures.check_settings(settings.size, 1, 0)
    if not 12 <= settings.min_face < math.inf:
        raise UsageError(f"--min-face is 12 pixels or more, the cell of MTCNN's first net, not {settings.min_face:g}")
    if not 0 <= settings.min_score <= 1:
        raise UsageError(f"--min-score is a probability, 0 to 1, not {settings.min_score:g}")


def _photo(
    path: Path, source: str, output: Path, settings: Settings, record: dict[str, list[Row]], summary: Summary
) -> list[Row]:
    """Return the rows of one photo from the record, or crop it and add its rows to the record."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error
    old = record.get(source)
    if old is not None and old[0]["sha256"] == digest:
        summary.done_before += 1
        return old
    photo = load_photo(path)
    found = detect(photo, settings=Cascade(stage="pnet", min_face=settings.min_face))
    faces = [face for face in found if face.score >= settings.min_score]
    if old is not None:
        # The photo changed. Its old crops go, since it may now have fewer faces.
        _remove(output, old)
        del record[source]
        _rewrite(output, record)
    base = _name(source, digest, record)
    channels = 1 if settings.color == "gray" else 3
    rows = []
    for number, face in enumerate(faces):
        crop = f"{base}-{number}.png"
        _save(output / crop, pictures.crop_face(photo, face, settings.size, channels))
        rows.append(_row(source, digest, photo, crop, face, len(faces)))
    rows = rows or [_row(source, digest, photo, "", None, 1)]
    try:
        with (output / PROVENANCE).open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(_lines(rows))
    except OSError as error:
        raise InvalidInputError(f"cannot write {output / PROVENANCE}: {error.strerror}") from error
    record[source] = rows
    return rows


def _name(source: str, digest: str, record: dict[str, list[Row]]) -> str:
    """Return the crops' name without number and ending, one that no other photo's crops have."""
    # Names are compared without case, since two that differ in case alone are one file on some systems.
    taken = {row["crop"].rpartition("-")[0].lower() for rows in record.values() for row in rows}
    path = Path(source)
    for name in (path.stem, path.name):
        base = path.with_name(name).as_posix()
        if base.lower() not in taken:
            return base
    return f"{source}-{digest[:8]}"


def _save(path: Path, crop: Pixels) -> None:
    with replacing(path) as temporary:
        Image.fromarray(crop[0] if len(crop) == 1 else crop.transpose(1, 2, 0).copy()).save(temporary, "PNG")


def _row(source: str, digest: str, photo: Photo, crop: str, face: Face | None, faces: int) -> Row:
    values: list[object] = [crop, source, digest, faces]
    if face is None or face.landmarks is None:
        values += [""] * 15
    else:
        points = [f"{value:.2f}" for point in face.landmarks for value in point]
        values += [f"{face.score:.4f}", *(f"{value:.2f}" for value in face.box), *points]
    values += [photo.shape[1], photo.shape[0]]
    return dict(zip(COLUMNS, map(str, values), strict=True))


def _lines(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _open(output: Path, settings: dict[str, object], force: bool) -> dict[str, list[Row]]:
    """Open the record of an earlier run, or start a new one: rows by source."""
    memory, provenance = output / SETTINGS, output / PROVENANCE
    if output.exists() and not output.is_dir():
        raise InvalidInputError(f"{output} is a file, and a folder is to be written there")
    if memory.is_file():
        known = _settings(memory)
        if known == settings:
            _tidy(output)
            return _read(output)
        other = [f"{name} {known[name]}" for name, value in settings.items() if known.get(name, value) != value]
        if not force:
            raise UsageError(
                f"{output} was made with {', '.join(other) or 'settings that a forced run did not get to replace'}",
                hint="choose another folder with -o, or --force to remove its crops and begin anew",
            )
        # Empty settings match no run, so if this run is stopped before all old crops are gone, the next one
        # does not take them for its own.
        _write_settings(memory, {})
        for rows in _read(output).values():
            _remove(output, rows)
        _rewrite(output, {})
    elif output.is_dir() and any(not path.name.startswith(".") for path in output.iterdir()):
        what = f"holds {PROVENANCE} and no {SETTINGS}" if provenance.exists() else "is not empty"
        raise InvalidInputError(
            f"{output} {what}, so no earlier run can be gone on with", hint="choose another with -o"
        )
    _write_settings(memory, settings)
    _tidy(output)
    return _read(output)


def _write_settings(memory: Path, settings: dict[str, object]) -> None:
    with replacing(memory) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _tidy(output: Path) -> None:
    """Remove the half-written files of a run that was killed: `.x-0.png.<8 letters>.png` and the like."""
    for ending in (".csv", ".json", ".png"):
        for path in output.rglob(f".*{ending}.????????{ending}"):
            path.unlink(missing_ok=True)


def _settings(memory: Path) -> dict[str, object]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise InvalidInputError(f"{memory} is damaged", hint="choose another folder with -o")
    return known


def _read(output: Path) -> dict[str, list[Row]]:
    """Read the finished photos of the record, and remove from the file what an interrupted run left unfinished."""
    path = output / PROVENANCE
    if not path.is_file():
        _rewrite(output, {})
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    whole = text.endswith("\n")
    try:
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        lines = []
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InvalidInputError(f"{path} is not a record of this version", hint="choose another folder with -o")
    last = len(lines) - 1
    record: dict[str, list[Row]] = {}
    for number, cells in enumerate(lines[1:], 1):
        if number == last and (len(cells) != len(COLUMNS) or not whole):
            break
        row = dict(zip(COLUMNS, cells, strict=False))
        if len(cells) != len(COLUMNS) or not row["faces"].isdigit() or not _inside(row["crop"]):
            raise InvalidInputError(f"{path}, row {number} is damaged", hint="delete the row: its photo is done anew")
        record.setdefault(row["source"], []).append(row)
    finished = {source: rows for source, rows in record.items() if len(rows) == int(rows[0]["faces"])}
    if sum(len(rows) for rows in finished.values()) != last:
        _rewrite(output, finished)
    return finished


def _inside(crop: str) -> bool:
    """Return whether a crop's path stays inside the folder; crops named in the record may be deleted."""
    path = Path(crop)
    return not path.is_absolute() and ".." not in path.parts and (not crop or path.suffix == ".png")


def _rewrite(output: Path, record: dict[str, list[Row]]) -> None:
    with replacing(output / PROVENANCE) as temporary:
        rows = [row for rows in record.values() for row in rows]
        text = ",".join(COLUMNS) + "\n" + _lines(rows)
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def _remove(output: Path, rows: Iterable[Row]) -> None:
    for row in rows:
        if row["crop"]:
            (output / row["crop"]).unlink(missing_ok=True)


def _write_sheet(output: Path, record: dict[str, list[Row]]) -> None:
    """Draw the crops by folder, each over its name; where there are many, they are chosen evenly."""
    crops = [row["crop"] for rows in record.values() for row in rows if row["crop"]]
    crops = sorted(crop for crop in crops if (output / crop).is_file())
    folders: dict[str, list[str]] = {}
    for crop in crops:
        folders.setdefault(Path(crop).parent.as_posix(), []).append(crop)
    share = min(1.0, _SHOWN / max(1, len(crops)))
    sections = []
    for name, group in folders.items():
        count = max(1, round(share * len(group)))
        chosen = [group[index * len(group) // count] for index in range(count)]
        lines = [chosen[start : start + _ACROSS] for start in range(0, count, _ACROSS)]
        rows = [
            contact_sheet.Row(
                name=f"{number * _ACROSS + 1}-{number * _ACROSS + len(line)}",
                pictures=[_picture(output / crop) for crop in line],
                captions=[_caption(Path(crop).stem) for crop in line],
            )
            for number, line in enumerate(lines)
        ]
        place = "" if name == "." else f"{name}: "
        sections.append(contact_sheet.Section(f"{place}{count} of {len(group)} crops", rows))
    contact_sheet.write(sections, output / SHEET)


def _caption(stem: str) -> str:
    # The end is kept, because it tells crops of one photo apart.
    return stem if len(stem) <= 10 else f"…{stem[-9:]}"


def _picture(path: Path) -> Tensor:
    """Load a crop as uint8 [3, H, W]."""
    return torch.from_numpy(load_photo(path).transpose(2, 0, 1).copy())
