"""This module holds the matrix's cells, and keeps finished ones for the next run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from fer_export import __version__
from fer_export.errors import InvalidInputError
from fer_export.files import replacing

_FILE = "cells.json"


@dataclass(frozen=True)
class Cell:
    """Hold the result of one model by one route in one runtime.

    Attributes:
        weights: the SHA-256 of the model's weights.
        difference: the largest difference from torch, on any output of any picture; None where it was refused.
        over: whether that is over tolerance; also true of a refusal because an exporter's own check was.
        refusal: why there is no number.
        missing: whether the reason is that something is not installed.
    """

    model: str
    weights: str
    route: str
    runtime: str
    difference: float | None = None
    over: bool = False
    refusal: str | None = None
    missing: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what identifies the cell."""
        return self.model, self.weights, self.route, self.runtime

    def record(self) -> dict[str, Any]:
        """Return the cell for JSON."""
        return asdict(self)


class Kept:
    """Keep finished cells in a folder, so that a run can continue where another ended.

    Cells of other versions are dropped, and so are refusals because of something that may be installed by now.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _FILE if folder else None
        self._cells: dict[tuple[str, str, str, str], Cell] = {}
        if self._path and self._path.is_file():
            self._read(self._path)

    def get(self, key: tuple[str, str, str, str]) -> Cell | None:
        """Return the cell, if it is finished."""
        return self._cells.get(key)

    def add(self, cells: Iterable[Cell]) -> None:
        """Keep more cells, and write them to disk at once."""
        self._cells.update({cell.key: cell for cell in cells if not cell.missing})
        if self._path:
            document = {"versions": _versions(), "cells": [cell.record() for cell in self._cells.values()]}
            with replacing(self._path) as temporary:
                temporary.write_text(json.dumps(document, indent=1), "utf-8")

    def _read(self, path: Path) -> None:
        try:
            document = json.loads(path.read_text("utf-8"))
            cells = [_cell(record) for record in document["cells"]]
            same = document["versions"] == _versions()
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{path} holds no cells: {error!r}", hint=f"remove it: rm {path}") from error
        if same:
            self._cells = {cell.key: cell for cell in cells}


def _cell(record: dict[str, Any]) -> Cell:
    """Read one cell; a route was once called a road."""
    return Cell(**{"route" if name == "road" else name: value for name, value in record.items()})


def _versions() -> dict[str, str]:
    packages = ("torch", "onnx", "onnxruntime")
    found = {
        each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"] in packages
    }
    return {"fer-export": __version__, **found}
