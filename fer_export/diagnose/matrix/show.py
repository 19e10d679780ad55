"""This module writes the matrix for a terminal, model by model, and as one table for a README."""

from __future__ import annotations

from collections.abc import Sequence

from fer_export.diagnose.matrix.cells import Cell

#: How every table of `markdown` begins.
MARKDOWN_START = "| route | runtime | "


def rows(cells: Sequence[Cell]) -> list[tuple[str, str, str]]:
    """Return one model's cells as a table: route, runtime, and the difference or why there is none."""
    found = []
    before: Cell | None = None
    for cell in cells:
        same = before is not None and before.route == cell.route
        told = number(cell)
        if cell.refusal:
            repeated = same and before is not None and before.refusal == cell.refusal
            told = f"{_refused(cell)}: {'as above' if repeated else cell.refusal}"
        found.append(("" if same else cell.route, cell.runtime, told))
        before = cell
    return found


def markdown(cells: Sequence[Cell]) -> str:
    """Write a row for each route and runtime and a column for each model; refusals are numbered below the table."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    rows = list(dict.fromkeys((cell.route, cell.runtime) for cell in cells))
    found = {(cell.model, cell.route, cell.runtime): cell for cell in cells}
    numbers: dict[str, int] = {}
    lines = [
        MARKDOWN_START + " | ".join(f"`{model}`" for model in models) + " |",
        "|---|---|" + "---|" * len(models),
    ]
    before = ""
    for route, runtime in rows:
        told = []
        for model in models:
            cell = found.get((model, route, runtime))
            if cell is None:
                told.append("–")
            elif cell.refusal:
                count = numbers.setdefault(cell.refusal, len(numbers) + 1)
                told.append(f"{_refused(cell)} [{count}]")
            else:
                told.append(number(cell))
        lines.append(f"| {'' if route == before else f'`{route}`'} | {runtime} | " + " | ".join(told) + " |")
        before = route
    if numbers:
        lines += ["", *(f"- [{count}] {_escaped(refusal)}" for refusal, count in numbers.items())]
    return "\n".join(lines) + "\n"


def number(cell: Cell) -> str:
    """Write a difference, and whether it is over tolerance."""
    return "" if cell.difference is None else f"{cell.difference:.1e}{' OVER' if cell.over else ''}"


def _refused(cell: Cell) -> str:
    return "OVER" if cell.over else "refused"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
