"""`history.png`: how a training went, from its metrics.csv."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator, PercentFormatter

from fer_export.errors import InvalidInputError
from training.report import style

_LOSSES = (("loss", "training", style.BLUE, "-"), ("val_loss", "validation", style.VERMILLION, "--"))
_SCORES = (("accuracy", "accuracy", style.BLUE, "-"), ("macro_f1", "macro-F1", style.VERMILLION, "--"))


@dataclass(frozen=True)
class History:
    """The log of a training.

    Attributes:
        columns: by name, (epoch from 1 over all stages, value), in the file's order; blanks left out.
        stages: (first epoch, name) of each stage.
    """

    columns: dict[str, list[tuple[int, float]]]
    stages: list[tuple[int, str]]


def read(path: Path) -> History:
    """Read metrics.csv: `epoch` and any of stage, loss, val_loss, accuracy, macro_f1, learning_rate.

    Epochs are counted on where a stage starts anew at its first one.

    Raises:
        InvalidInputError: no such file, no column `epoch`, or a cell that is not a number.
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


def draw(path: Path, target: Path, heading: str) -> None:
    """Read `path` and draw it: losses, scores and the learning rate under one another, those that are there.

    Raises:
        InvalidInputError: see `read`; or the file holds none of them.
    """
    history = read(path)
    there = [
        part
        for part in (_losses, _scores, _rate)
        if any(history.columns.get(name) for name in _needed(part))
    ]  # fmt: skip
    if not there:
        raise InvalidInputError(f"{path} holds no loss, accuracy or learning_rate")
    drawn = style.figure(0.7 + 2.0 * len(there))
    drawn.suptitle(heading, x=0.015, ha="left", fontsize=11.5, fontweight="bold", color=style.INK, parse_math=False)
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
    panels[-1].set_xlabel("epoch", fontsize=9)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style.save(drawn, target)


def _names() -> list[str]:
    return [name for name, *_ in (*_LOSSES, *_SCORES)] + ["learning_rate"]


def _needed(part: Any) -> list[str]:
    known: dict[Any, list[str]] = {
        _losses: [name for name, *_ in _LOSSES],
        _scores: [name for name, *_ in _SCORES],
        _rate: ["learning_rate"],
    }
    return known[part]


def _losses(axes: Any, history: History) -> None:
    _lines(axes, history, _LOSSES)
    axes.set_ylabel("loss", fontsize=9)


def _scores(axes: Any, history: History) -> None:
    _lines(axes, history, _SCORES)
    axes.set_ylabel("validation", fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    finite = [(value, epoch) for epoch, value in history.columns.get("accuracy", []) if math.isfinite(value)]
    if finite:
        best, epoch = max(finite, key=lambda pair: (pair[0], -pair[1]))
        axes.plot([epoch], [best], "o", color=style.BLUE, markersize=6, markerfacecolor="white", markeredgewidth=1.6)
        axes.set_title(f"best accuracy {best:.2%}, epoch {epoch}".replace("%", " %"), fontsize=8.5, loc="right")


def _rate(axes: Any, history: History) -> None:
    rates = history.columns["learning_rate"]
    axes.plot(*zip(*rates, strict=True), color=style.INK, linewidth=1.4, marker=_marker(rates), markersize=3)
    positive = [value for _, value in rates if value > 0]
    if positive and max(positive) >= 10 * min(positive):
        axes.set_yscale("log")
    axes.set_ylabel("learning rate", fontsize=9)


def _lines(axes: Any, history: History, series: tuple[tuple[str, str, str, str], ...]) -> None:
    for name, label, colour, dash in series:
        points = history.columns.get(name)
        if points:
            marker = _marker(points)
            axes.plot(
                *zip(*points, strict=True), color=colour, linestyle=dash, linewidth=1.6, label=label, marker=marker,
                markersize=3,
            )  # fmt: skip
    axes.legend(fontsize=8.5, frameon=False, loc="best")


def _marker(points: list[tuple[int, float]]) -> str:
    return "o" if len(points) < 15 else ""
