"""This module draws `mistakes.png`, the pictures that the net was surest about and that are labelled differently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from training.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from training.data.faces import Faces
    from training.measure.evaluation import Evaluation

_COLUMNS, _MOST = 5, 20
_WIDE = 25


@dataclass(frozen=True)
class Mistake:
    """Hold one wrong answer of the single view.

    Attributes:
        row: index among the labelled rows.
        said: the label that the net gave.
        labelled: the label that the row has.
        confidence: probability of the label that the net gave, 0–1.
        given: probability of the label that the row has, 0–1.
        where: where the picture comes from.
    """

    row: int
    said: str
    labelled: str
    confidence: float
    given: float
    where: str


def surest(evaluation: Evaluation, faces: Faces, most: int = _MOST) -> list[Mistake]:
    """Return the most confident mistakes, the surest first; `faces` are the labelled rows of the evaluation."""
    confidence, answers = evaluation.probabilities.max(1)
    wrong = (answers != evaluation.classes).nonzero()[:, 0]
    chosen = wrong[confidence[wrong].argsort(descending=True, stable=True)][:most].tolist()
    return [
        Mistake(
            row=row,
            said=faces.labels[int(answers[row])],
            labelled=faces.labels[int(evaluation.classes[row])],
            confidence=float(confidence[row]),
            given=float(evaluation.probabilities[row, evaluation.classes[row]]),
            where=faces.where[row],
        )
        for row in chosen
    ]


def draw(evaluation: Evaluation, faces: Faces, target: Path) -> None:
    """Draw a sheet of the pictures with answer, label, confidence and source."""
    mistakes = surest(evaluation, faces)
    total = int((evaluation.probabilities.argmax(1) != evaluation.classes).sum())
    heading = f"The {len(mistakes)} most confident of {total:,} mistakes" if mistakes else "No mistake"
    lines = math.ceil(len(mistakes) / _COLUMNS)
    top, line, side = 1.0, 1.78, 1.18
    height = top + lines * line if mistakes else 1.5
    drawn = style.figure(height)
    style.title(drawn, heading, style.rows_of(evaluation))
    # The axes are placed by hand; a layout engine would shrink the pictures to keep long captions apart.
    drawn.set_layout_engine("none")
    if not mistakes:
        drawn.text(0.5, 0.2, "every answer agrees with its label", ha="center", fontsize=10, color=style.FAINT)
    room = style.WIDTH / _COLUMNS
    for number, mistake in enumerate(mistakes):
        row, column = divmod(number, _COLUMNS)
        left, low = column * room + (room - side) / 2, height - top - row * line - side
        place = (left / style.WIDTH, low / height, side / style.WIDTH, side / height)
        axes = drawn.add_axes(place)
        axes.set_axis_off()
        _tile(axes, faces.pixels[mistake.row], mistake)
    style.save(drawn, target)


def _tile(axes: Axes, pixels: Tensor, mistake: Mistake) -> None:
    if len(pixels) == 1:
        axes.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
    captions = (
        (f"said {_cut(mistake.said, 12)} {_sure(mistake.confidence)}", style.VERMILLION, "bold"),
        (f"labelled {_cut(mistake.labelled, 13)}", style.INK, "normal"),
        (_cut(mistake.where, _WIDE, front=True), style.FAINT, "normal"),
    )
    for number, (text, colour, weight) in enumerate(captions):
        axes.annotate(
            text, (0.5, 0), (0, -4 - 10.5 * number), xycoords="axes fraction", textcoords="offset points",
            ha="center", va="top", fontsize=8 if number < 2 else 6.8, color=colour, fontweight=weight, parse_math=False,
        )  # fmt: skip


def _sure(confidence: float) -> str:
    return f"{confidence * 100:.0f} %" if confidence < 0.995 else ">99 %"


def _cut(text: str, most: int, *, front: bool = False) -> str:
    """Shorten a text to `most` characters; with `front`, its end is kept."""
    if len(text) <= most:
        return text
    return "…" + text[1 - most :] if front else text[: most - 1] + "…"
