"""This module draws pictures beside the crops that the page's cascade made of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.measure.deployment import Deployment, disagreement
from training.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
#: How many rows with the largest disagreement are shown, and how many of the rest, at even steps.
_FIRST, _REST = 20, 12
#: In inches: a tile, the space between the two of a pair, and a line with its captions.
_TILE, _AIR, _LINE = 0.8, 0.05, 1.5
#: The most characters of a caption.
_WIDE = 34


def chosen(found: Deployment, first: int = _FIRST, rest: int = _REST) -> list[int]:
    """Choose the rows for the sheet: the largest disagreements first, then some at even steps through the rest."""
    order = disagreement(found).argsort(descending=True, stable=True).tolist()
    others = order[first:]
    steps = torch.linspace(0, len(others) - 1, min(rest, len(others))).round().long().tolist()
    return [*order[:first], *(others[step] for step in steps)]


def draw(found: Deployment, target: Path) -> None:
    """Write a PNG of pairs: the picture with its landmarks left, the crop right, both answers below.

    It shows pictures of the data set, so the terms of the data set apply to it.
    """
    shown = chosen(found)
    top = 1.1
    height = top + math.ceil(len(shown) / _COLUMNS) * _LINE
    drawn = style.figure(height)
    first = min(_FIRST, len(shown))
    rest = f", then {len(shown) - first} at even steps through the rest" if len(shown) > first else ""
    about = f"Left the picture with its landmarks, right the crop. {style.rows_of(found.pictures)}"
    style.title(drawn, f"The {first} largest disagreements{rest}", about)
    # The axes are placed by hand, as on the sheet of mistakes.
    drawn.set_layout_engine("none")
    room = style.WIDTH / _COLUMNS
    for number, row in enumerate(shown):
        line, column = divmod(number, _COLUMNS)
        left = column * room + (room - 2 * _TILE - _AIR) / 2
        low = height - top - line * _LINE - _TILE
        picture, crop = (_axes(drawn, left + shift, low, height) for shift in (0.0, _TILE + _AIR))
        _show(picture, found.rows.pixels[row])
        points = found.landmarks[row]
        # imshow puts the middle of pixel 0 at 0.
        picture.plot(points[:, 0] - 0.5, points[:, 1] - 0.5, ".", color=style.ORANGE, markersize=3)
        _show(crop, found.crops[row])
        _caption(picture, found, row)
    style.save(drawn, target)


def _axes(drawn: Figure, left: float, low: float, height: float) -> Axes:
    axes = drawn.add_axes((left / style.WIDTH, low / height, _TILE / style.WIDTH, _TILE / height))
    axes.set_axis_off()
    return axes


def _show(axes: Axes, pixels: Tensor) -> None:
    axes.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.autoscale(False)


def _caption(axes: Axes, found: Deployment, row: int) -> None:
    labels, given = found.rows.labels, int(found.rows.classes[row])
    lines = [(found.rows.where[row], style.FAINT), (f"labelled {labels[given]}", style.INK)]
    for name, answers in (("picture", found.pictures.probabilities[row]), ("crop", found.answers[row])):
        said = int(answers.argmax())
        text = f"{name}: {labels[said]} {100 * float(answers[said]):.0f} %"
        lines.append((text, style.INK if said == given else style.VERMILLION))
    for number, (text, colour) in enumerate(lines):
        axes.annotate(
            _cut(text), (0, 0), (0, -3 - 9.5 * number), xycoords="axes fraction", textcoords="offset points",
            ha="left", va="top", fontsize=6.8, color=colour, parse_math=False,
        )  # fmt: skip


def _cut(text: str) -> str:
    """Shorten a text at the front, since the end of a path tells more."""
    return text if len(text) <= _WIDE else "…" + text[1 - _WIDE :]
