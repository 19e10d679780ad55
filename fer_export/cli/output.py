"""This module writes all output, as text or as JSON: results on stdout, the rest on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fer_export.errors import FerExportError

if TYPE_CHECKING:
    from fer_export.parity import Figures

#: How many columns the parity table takes beside its names; narrower terminals get lines.
_TABLE_WIDTH = 52


class Output:
    """Write a command's output: text and tables, or one JSON document with --json."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(highlight=False, soft_wrap=False)
        self.notes = Console(stderr=True, highlight=False)
        self.document: dict[str, Any] = {}

    def add(self, **values: Any) -> None:
        """Put values into the JSON document."""
        self.document.update(values)

    def text(self, line: str) -> None:
        """Print a line, unless the output is JSON."""
        if not self.as_json:
            self.console.print(line, markup=False, soft_wrap=True)

    def table(
        self,
        rows: Iterable[Sequence[str]],
        headings: Sequence[str] = (),
        *,
        title: str | None = None,
        right: bool = False,
    ) -> None:
        """Print a table, unless the output is JSON.

        The first column keeps its width, and the others are folded where the terminal is narrow.

        Args:
            rows: rows of the same number of cells.
            headings: headings of the columns; none where empty.
            title: title above the table.
            right: align all columns but the first to the right, for numbers.
        """
        if not self.as_json:
            self._show(table(rows, headings, title=title, right=right))

    def _show(self, made: Table) -> None:
        """Print a table without the spaces that rich fills its last column with, and short of the terminal's edge."""
        with self.console.capture() as captured:
            self.console.print(made, width=self.console.width - 1)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def next(self, command: str) -> None:
        """Print the command to run next."""
        self.text(f"next: {command}")

    def parity(self, figures: Sequence[Figures], title: str) -> None:
        """Print the parity table, or add it to the JSON document."""
        self.document.setdefault("parity", []).extend(_as_record(figure) for figure in figures)
        if self.as_json:
            return
        names = max(len(figure.runtime) for figure in figures) + max(len(figure.output) for figure in figures)
        if self.console.width < names + _TABLE_WIDTH:
            self._parity_lines(figures, title)
            return
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("runtime", no_wrap=True)
        table.add_column("output", no_wrap=True)
        for heading in ("max abs", "rmse", "1-cos", "top-1"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("worst", overflow="fold")
        for figure in figures:
            verdict = "[green]ok[/]" if figure.ok else "[bold red]OVER[/]"
            table.add_row(figure.runtime, figure.output, *_cells(figure).values(), verdict, figure.worst)
        self._show(table)

    def _parity_lines(self, figures: Sequence[Figures], title: str) -> None:
        """Print a short paragraph for each row, since the terminal is too narrow for the table."""
        self.console.print(f"[bold]{title}[/]")
        for figure in figures:
            verdict = "[green]ok[/]" if figure.ok else "[bold red]OVER[/]"
            self.console.print(f"{figure.runtime}  {figure.output}  {verdict}")
            numbers = [f"{name} {value}" for name, value in _cells(figure).items() if value]
            self.console.print(f"  {', '.join(numbers)}; worst: {figure.worst}", markup=False)

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], object]]:
        """Show a spinner on stderr if it is a terminal; yield a function that changes its text."""
        if self.as_json or not sys.stderr.isatty():
            yield lambda text: None
            return
        with self.notes.status(what) as status:
            yield status.update

    def close(self) -> None:
        """Write the JSON document, if the output is JSON."""
        if self.as_json:
            click.echo(json.dumps({"ok": True, **self.document}, indent=1))


def table(
    rows: Iterable[Sequence[str]], headings: Sequence[str] = (), *, title: str | None = None, right: bool = False
) -> Table:
    """Return the table that `Output.table` prints."""
    cells = [[Text(cell) for cell in row] for row in rows]
    bold = None if title is None else Text(title, "bold")
    made = Table(title=bold, title_justify="left", show_header=bool(headings), box=None, pad_edge=False)
    for place in range(max(map(len, cells), default=len(headings))):
        heading = headings[place] if headings else ""
        made.add_column(heading, justify="right" if right and place else "left", no_wrap=not place, overflow="fold")
    for row in cells:
        made.add_row(*row)
    return made


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command: add --json, pass it an `Output`, and turn known errors into one line and an exit code."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @wraps(function)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> None:
        output = Output(as_json)
        try:
            function(output, *args, **kwargs)
        except FerExportError as error:
            fail(error, output)
        output.close()

    return wrapped


def fail(error: FerExportError, output: Output) -> None:
    """Report an error and exit with its code."""
    if output.as_json:
        record = {"ok": False, "error": error.reason, "hint": error.hint, "exit_code": error.exit_code}
        click.echo(json.dumps({**output.document, **record}, indent=1))
    else:
        click.echo(f"error: {error.reason}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
    sys.exit(error.exit_code)


def _cells(figure: Figures) -> dict[str, str]:
    return {
        "max abs": f"{figure.max_abs:.1e}",
        "rmse": f"{figure.rmse:.1e}",
        "1-cos": f"{max(0.0, 1 - figure.cosine):.0e}",
        "top-1": "" if figure.top1 is None else f"{figure.top1:.1%}",
    }


def _as_record(figure: Figures) -> dict[str, Any]:
    return {
        "runtime": figure.runtime,
        "reference": figure.reference,
        "output": figure.output,
        "max_abs": figure.max_abs,
        "rmse": figure.rmse,
        "cosine": figure.cosine,
        "top1": figure.top1,
        "worst": figure.worst,
        "samples": figure.samples,
        "tolerance": figure.tolerance,
        "scale": figure.scale,
        "limit": figure.limit,
        "ok": figure.ok,
    }
