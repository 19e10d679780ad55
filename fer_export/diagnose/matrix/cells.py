"""One cell, the reason where it is empty, and cells that are kept for the next run."""

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
    """One model by one road in one runtime.

    Attributes:
        weights: SHA-256 of the model's.
        difference: the largest from torch, on any output of any picture; None where it was refused.
        over: whether that is over tolerance. Also of a refusal: an exporter found it out before this did.
        refusal: why there is no number.
        missing: whether that was because something is not installed.
    """

    model: str
    weights: str
    road: str
    runtime: str
    difference: float | None = None
    over: bool = False
    refusal: str | None = None
    missing: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is the cell of."""
        return self.model, self.weights, self.road, self.runtime

    def record(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


class Kept:
    """Finished cells in a folder, for a run that goes on where another ended.

    Cells of other versions are forgotten, and refusals for want of something that may be installed by now.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _FILE if folder else None
        self._cells: dict[tuple[str, str, str, str], Cell] = {}
        if self._path and self._path.is_file():
            self._read(self._path)

    def get(self, key: tuple[str, str, str, str]) -> Cell | None:
        """The cell, where it is finished."""
        return self._cells.get(key)

    def add(self, cells: Iterable[Cell]) -> None:
        """Keep more cells, on disk at once."""
        self._cells.update({cell.key: cell for cell in cells if not cell.missing})
        if self._path:
            document = {"versions": _versions(), "cells": [cell.record() for cell in self._cells.values()]}
            with replacing(self._path) as temporary:
                temporary.write_text(json.dumps(document, indent=1), "utf-8")

    def _read(self, path: Path) -> None:
        try:
            document = json.loads(path.read_text("utf-8"))
            cells = [Cell(**record) for record in document["cells"]]
            same = document["versions"] == _versions()
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{path} holds no cells: {error!r}", hint=f"remove it: rm {path}") from error
        if same:
            self._cells = {cell.key: cell for cell in cells}


def _versions() -> dict[str, str]:
    packages = ("torch", "onnx", "onnxruntime")
    found = {
        each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"] in packages
    }
    return {"fer-export": __version__, **found}
