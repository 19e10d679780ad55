"""This module holds what the pictures of a report share: colours, titles, and how they are saved."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from fer_export.files import replacing

if TYPE_CHECKING:
    from training.measure.evaluation import Evaluation

#: Okabe and Ito's colours, which people with any common colour blindness can tell apart
#: (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, VERMILLION, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"
INK, FAINT, GRID = "#1f2328", "#626a73", "#d8dce1"
#: Width of a picture in inches. A4's text is about 6.3 wide, so text is printed at nine tenths of its size here.
WIDTH = 7.0


def figure(height: float) -> Figure:
    """Return an empty white figure, `height` inches high."""
    return Figure(figsize=(WIDTH, height), dpi=160, layout="constrained", facecolor="white")


def title(drawn: Figure, what: str, about: str) -> None:
    """Draw the title `what` in bold, and under it, fainter, the line `about`."""
    height = drawn.get_size_inches()[1]
    lines = textwrap.wrap(about, 98)
    # Inches from the top: a margin, the heading, the lines, and some space.
    room = 0.12 + 0.24 + 0.155 * len(lines) + 0.14
    engine = drawn.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0.01, 0.01, 0.98, 0.99 - room / height))
    shared: dict[str, Any] = {"ha": "left", "va": "top", "parse_math": False, "in_layout": False}
    drawn.text(0.015, 1 - 0.12 / height, what, fontsize=11.5, fontweight="bold", color=INK, **shared)
    drawn.text(0.015, 1 - 0.37 / height, "\n".join(lines), fontsize=8.5, color=FAINT, **shared)


def rows_of(evaluation: Evaluation) -> str:
    """Say which rows were evaluated, how many, and by which protocol they are labelled."""
    return f"{evaluation.data}, {evaluation.split}, n = {evaluation.samples:,}; labels: {evaluation.protocol}"


def plain(axes: Any) -> None:
    """Style axes: two thin spines, a faint grid behind, small ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, colors=INK)


def save(drawn: Figure, path: Path) -> None:
    """Write a figure as PNG under a temporary name, then rename it."""
    with replacing(path) as temporary, warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as boxes; report.html has it as text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(temporary, format="png")
