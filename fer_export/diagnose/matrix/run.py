"""This module fills the whole matrix: models × routes × runtimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_export import models as architectures
from fer_export.convert.routes import ROUTES
from fer_export.diagnose.matrix import cells, nets, show
from fer_export.diagnose.matrix.cells import Cell
from fer_export.diagnose.matrix.fill import fill_cells
from fer_export.errors import ParityError, UsageError
from fer_export.files import replacing
from fer_export.formats.packaged import packaged
from fer_export.runtimes.registry import names as registered
from fer_export.runtimes.tfjs import Browser


@dataclass(frozen=True)
class Matrix:
    """Hold the cells of all models.

    Attributes:
        cells: one for each model, route and runtime.
        path: the Markdown table that was written.
    """

    cells: tuple[Cell, ...]
    path: Path | None

    @property
    def over(self) -> tuple[Cell, ...]:
        """Return the cells whose difference is over tolerance."""
        return tuple(cell for cell in self.cells if cell.over)

    @property
    def numbers(self) -> int:
        """Return how many cells hold a difference; the others hold a refusal."""
        return sum(cell.difference is not None for cell in self.cells)

    def record(self) -> dict[str, Any]:
        """Return the results for JSON."""
        return {"cells": [cell.record() for cell in self.cells], "path": str(self.path) if self.path else None}

    def check(self) -> None:
        """Raise a ParityError where a difference is over tolerance."""
        for cell in self.over:
            told = cell.refusal or f"{cell.difference:.1e} from torch"
            raise ParityError(f"{cell.model}, {cell.route}, {cell.runtime}: {told}")


def matrix(
    models: Sequence[str] = (),
    *,
    routes: Sequence[str] = (),
    runtimes: Sequence[str] = (),
    path: Path | None = None,
    keep: Path | None = None,
    started: Callable[[str], object] = lambda step: None,
    finished: Callable[[str, str, Sequence[Cell]], object] = lambda name, size, cells: None,
) -> Matrix:
    """Convert every model by every route, and compare the result with torch in every runtime for it.

    Args:
        models: packaged models, checkpoints, architectures or torchvision:NAME with random weights; NAME@SIDE gives
            the size. Without any, the packaged ones and every architecture in its smallest form.
        routes: names from `ROUTES`; all where empty.
        runtimes: registered names; all where empty.
        path: the place for a Markdown table; an earlier one is replaced, and nothing else.
        keep: a folder where finished cells are kept, and taken up again.
        started: called with a line about each step before it.
        finished: called with each model's name, a description of its size, and its cells.

    Raises:
        UsageError: a runtime runs nothing of these routes, or something else is at `path`.
        InvalidInputError: there is no such model, or the kept cells cannot be read.
    """
    kinds = {ROUTES[route].kind for route in routes or ROUTES}
    idle = [name for name in runtimes if not any(name in registered(kind) for kind in kinds)]
    if idle:
        raise UsageError(f"{idle[0]} runs nothing that the routes asked for end in")
    if path is not None:
        _check_place(path)
    kept = cells.Kept(keep)
    wanted = [route for route in ROUTES if route in routes or not routes]
    # All models are built first, so that a wrong name is reported at once and not after an hour.
    started("building the models")
    loaded = {name: nets.named(name, small=True) for name in models or (*packaged(), *architectures.names())}
    filled: list[Cell] = []
    for name, one in loaded.items():
        # Each model gets its own browser, so that memory one model leaves behind does not affect the next.
        with Browser() as browser:
            found = fill_cells(
                name, one, browser=browser, wanted=wanted, runtimes=runtimes or None, kept=kept, started=started
            )
        finished(name, nets.described(one), found)
        filled += found
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_text(show.markdown(filled), "utf-8")
    return Matrix(tuple(filled), path)


def _check_place(path: Path) -> None:
    """Refuse, before hours of work, to replace a file that is no table of this command."""
    if path.is_file() and path.stat().st_size and not path.read_bytes().startswith(show.MARKDOWN_START.encode()):
        raise UsageError(
            f"{path} is there already, and is no table of fer-export matrix", hint="-o FILE.md names another"
        )
