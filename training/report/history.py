"""This module draws `history.png`, how a training went, from its metrics.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fer_export.errors import InvalidInputError
from training.report import style

_LOSSES = (("loss", "training", style.BLUE, "-"), ("val_loss", "validation", style.VERMILLION, "--"))
_SCORES = (("accuracy", "accuracy", style.BLUE, "-"), ("macro_f1", "macro-F1", style.VERMILLION, "--"))


@dataclass(frozen=True)
class History:
    """Hold the log of a training.

    Attributes:
        columns: name → (epoch from 1 over all stages, value) in the file's order; blanks are left out.
        stages: (first epoch, name) of each stage.
    """

    columns: dict[str, list[tuple[int, float]]]
    stages: list[tuple[int, str]]


def read_history(path: Path) -> History:
    """Read metrics.csv: `epoch` and any of stage, loss, val_loss, accuracy, macro_f1, learning_rate.

    Epochs are counted through where a new stage starts again at its first one.

    Raises:
        InvalidInputError: there is no such file, no column `epoch`, or a cell is not a number.
    """
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="metrics.csv is written by: python -m training fit")
    columns: dict[str, list[tuple[int, float]]] = {}
    stages: list[tuple[int, str]] = []
    offset, last, first = 0, -1, None
    with path.open(newline="", encoding="utf-8") as text:
        rows = csv.DictReader(text)
        if "epoch" not in (rows.fieldnames or []):
            raise InvalidInputError(f"{path}: no column 'epoch'")
        for number, row in enumerate(rows, 1):
            try:
                epoch = int(float(row["epoch"]))
                values = {name: float(row[name]) for name in _names() if row.get(name)}
            except (TypeError, ValueError) as error:
                raise InvalidInputError(f"{path}, row {number}: {error}") from error
            first = epoch if first is None else first
            stage = row.get("stage") or ""
            new = not stages or stages[-1][1] != stage
            if new and epoch <= last:
                offset += last + 1 - first
            last = epoch
            place = offset + epoch + (1 if first == 0 else 0)
            if new:
                stages.append((place, stage))
            for name, value in values.items():
                columns.setdefault(name, []).append((place, value))
    return History(columns, stages)


def draw(path: Path, target: Path, what: str, about: str) -> None:
    """Read `path` and draw losses, scores and the learning rate under one another, as far as the file has them.

    Args:
        path: path of metrics.csv.
        target: path of the PNG.
        what, about: its title, and the data, protocol and number of rows of the validation.

    Raises:
        InvalidInputError: as for `read_history`; or the file holds none of them.
    """
    history = read_history(path)
    there = [part for names, part in _PANELS if any(name in history.columns for name in names)]
    if not there:
        raise InvalidInputError(f"{path} holds no loss, accuracy or learning_rate")
    drawn = style.figure(1.1 + 1.9 * len(there))
    style.title(drawn, what, about)
    panels = drawn.subplots(len(there), 1, sharex=True, squeeze=False)[:, 0]
    for axes, part in zip(panels, there, strict=True):
        style.plain(axes)
        part(axes, history)
        for start, _ in history.stages[1:]:
            axes.axvline(start - 0.5, color=style.FAINT, linewidth=0.9, linestyle=":")
    if len(history.stages) > 1:
        for start, name in history.stages:
            panels[0].annotate(
                f"stage {name}", (start - 0.5, 1), (3, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=8, color=style.FAINT, parse_math=False,
            )  # fmt: skip
    last = max(epoch for points in history.columns.values() for epoch, _ in points)
    first = min(epoch for points in history.columns.values() for epoch, _ in points)
    panels[-1].set_xlim(first - 0.5, last + 0.5)
    panels[-1].set_xlabel("epoch", fontsize=9)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    style.save(drawn, target)


def _names() -> list[str]:
    return [name for names, _ in _PANELS for name in names]


def _losses(axes: Axes, history: History) -> None:
    _lines(axes, history, _LOSSES)
    axes.set_ylabel("loss", fontsize=9)


def _scores(axes: Axes, history: History) -> None:
    _lines(axes, history, _SCORES)
    axes.set_ylabel("validation", fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    finite = [(value, epoch) for epoch, value in history.columns.get("accuracy", []) if math.isfinite(value)]
    if finite:
        best, epoch = max(finite, key=lambda pair: (pair[0], -pair[1]))
        axes.plot([epoch], [best], "o", color=style.BLUE, markersize=6, markerfacecolor="white", markeredgewidth=1.6)
        axes.set_title(f"best accuracy {best:.2%}, epoch {epoch}".replace("%", " %"), fontsize=8.5, loc="right")


def _rate(axes: Axes, history: History) -> None:
    _line(axes, history, "learning_rate", color=style.INK)
    positive = [value for _, value in history.columns["learning_rate"] if value > 0]
    if positive and max(positive) >= 10 * min(positive):
        axes.set_yscale("log")
    axes.set_ylabel("learning rate", fontsize=9)


def _lines(axes: Axes, history: History, series: tuple[tuple[str, str, str, str], ...]) -> None:
    for name, label, colour, dash in series:
        if name in history.columns:
            _line(axes, history, name, color=colour, linestyle=dash, label=label)
    axes.legend(fontsize=8.5, frameon=False, loc="best")


def _line(axes: Axes, history: History, name: str, **look: Any) -> None:
    """Draw one line for each stage, so that the end of one is not joined to the start of the next."""
    points = history.columns[name]
    starts = [start for start, _ in history.stages]
    marker = "o" if len(points) < 15 else ""
    for start, end in zip(starts, [*starts[1:], math.inf], strict=True):
        part = [(epoch, value) for epoch, value in points if start <= epoch < end]
        if part:
            axes.plot(*zip(*part, strict=True), linewidth=1.6, marker=marker, markersize=3, **look)
            look = {**look, "label": "_"}


_PANELS: tuple[tuple[tuple[str, ...], Callable[[Axes, History], None]], ...] = (
    (tuple(name for name, *_ in _LOSSES), _losses),
    (tuple(name for name, *_ in _SCORES), _scores),
    (("learning_rate",), _rate),
)
