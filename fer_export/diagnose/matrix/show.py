"""The matrix for a terminal, model by model, and as one table for a README."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fer_export.diagnose.matrix.cells import Cell

_INDENT = 43
_WIDTH = 79


def block(title: str, cells: Sequence[Cell]) -> str:
    """One model's cells, a line for each; long refusals go on below. No line has more than 79 columns."""
    lines = [title]
    before: Cell | None = None
    for cell in cells:
        same = before is not None and before.road == cell.road
        told = number(cell)
        if cell.refusal:
            repeated = same and before is not None and before.refusal == cell.refusal
            told = f"{_refused(cell)}: {'as above' if repeated else cell.refusal}"
        start = f"  {'' if same else cell.road:<22} {cell.runtime:<18}"
        lines += textwrap.wrap(
            told, _WIDTH, initial_indent=start.ljust(_INDENT), subsequent_indent=" " * _INDENT, break_on_hyphens=False
        )
        before = cell
    return "\n".join(lines)


def markdown(cells: Sequence[Cell]) -> str:
    """A row for each road and runtime, a column for each model; refusals are numbered and told below the table."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    rows = list(dict.fromkeys((cell.road, cell.runtime) for cell in cells))
    found = {(cell.model, cell.road, cell.runtime): cell for cell in cells}
    numbers: dict[str, int] = {}
    lines = [
        "| road | runtime | " + " | ".join(f"`{model}`" for model in models) + " |",
        "|---|---|" + "---|" * len(models),
    ]
    before = ""
    for road, runtime in rows:
        told = []
        for model in models:
            cell = found.get((model, road, runtime))
            if cell is None:
                told.append("–")
            elif cell.refusal:
                count = numbers.setdefault(cell.refusal, len(numbers) + 1)
                told.append(f"{_refused(cell)} [{count}]")
            else:
                told.append(number(cell))
        lines.append(f"| {'' if road == before else f'`{road}`'} | {runtime} | " + " | ".join(told) + " |")
        before = road
    if numbers:
        lines += ["", *(f"- [{count}] {_escaped(refusal)}" for refusal, count in numbers.items())]
    return "\n".join(lines) + "\n"


def number(cell: Cell) -> str:
    """A difference, and whether it is over tolerance."""
    return "" if cell.difference is None else f"{cell.difference:.1e}{' OVER' if cell.over else ''}"


def _refused(cell: Cell) -> str:
    return "OVER" if cell.over else "refused"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
