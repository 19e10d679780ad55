"""This module keeps the ledger of looks at PrivateTest, one line for each, beside the checkpoint, never removed.

A split that is looked at before each choice becomes one more validation split. The ledger cannot forbid that, but it
counts the looks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError

NAME = "private_looks.jsonl"
_FIELDS = {"weights_sha256": str, "split": str, "when": str, "figures": dict}

Look = dict[str, Any]


def record_look(folder: Path, *, weights_sha256: str, split: str, when: str, figures: Mapping[str, float]) -> None:
    """Append one look, and flush it to the disk.

    Args:
        folder: the folder of the checkpoint.
        weights_sha256: the weights that were measured.
        split: the split that was looked at.
        when: time in ISO 8601.
        figures: the metrics that were seen.

    Raises:
        InvalidInputError: the ledger is damaged or cannot be written.
    """
    past_looks(folder)
    record = {"weights_sha256": weights_sha256, "split": split, "when": when, "figures": dict(figures)}
    path = folder / NAME
    try:
        with path.open("a", encoding="utf-8") as ledger:
            ledger.write(json.dumps(record) + "\n")
            ledger.flush()
            os.fsync(ledger.fileno())
    except OSError as error:
        raise InvalidInputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="a look at PrivateTest is shown only once it is written down: copy the checkpoint to your own folder",
        ) from error


def past_looks(folder: Path) -> list[Look]:
    """Read all the looks so far, oldest first; the list is empty where there is no ledger.

    Raises:
        InvalidInputError: the file cannot be read, a line is not a look, or the last line was cut off.
    """
    path = folder / NAME
    hint = "the count cannot be trusted now: restore the file from a backup; it is never reset"
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: the ledger of looks cannot be read: {error}", hint=hint) from error
    found = []
    for number, line in enumerate(lines, 1):
        look = _parsed(line) if line.endswith("\n") else None
        if look is None:
            raise InvalidInputError(f"{path}, line {number}: the ledger of looks is damaged", hint=hint)
        found.append(look)
    return found


def _parsed(line: str) -> Look | None:
    try:
        look = json.loads(line)
    except ValueError:
        return None
    if not isinstance(look, dict):
        return None
    return look if all(isinstance(look.get(name), kind) for name, kind in _FIELDS.items()) else None
