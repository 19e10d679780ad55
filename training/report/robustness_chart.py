"""This module draws the accuracy that changed pictures cost, as bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.report import style

if TYPE_CHECKING:
    from training.measure.robustness.measure import Robustness

#: Space between two groups, in widths of a bar.
_AIR = 0.5


def draw(found: Robustness, target: Path) -> None:
    """Write a PNG: a bar for each condition with its 95 % interval; groups are apart."""
    groups = list(dict.fromkeys(row.condition.group for row in found.rows))
    places = [number + _AIR * groups.index(row.condition.group) for number, row in enumerate(found.rows)]
    drawn = style.figure(1.3 + 0.26 * (places[-1] + 1))
    clean = f"Clean pictures: {found.clean.accuracy * 100:.2f} % right."
    about = f"{style.rows_of(found.clean)}. {clean} Lines: 95 % of the paired difference."
    style.title(drawn, "Accuracy lost when the picture changes, percentage points", about)
    axes = drawn.subplots()
    style.plain(axes)
    axes.grid(False, axis="y")
    points = [row.lost.points for row in found.rows]
    bounds = [row.lost.bound for row in found.rows]
    axes.barh(places, points, 0.72, color=style.SKY)
    axes.errorbar(points, places, xerr=bounds, fmt="none", ecolor=style.INK, elinewidth=0.9, capsize=2)
    for place, point, bound in zip(places, points, bounds, strict=True):
        text = f"{point:.1f}".replace("-", "−")
        axes.annotate(
            text, (max(point + bound, 0), place), (5, 0), textcoords="offset points", va="center", fontsize=8.5,
            color=style.INK,
        )  # fmt: skip
    axes.set_yticks(places, [row.condition.name for row in found.rows], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=style.FAINT, linewidth=0.8)
    axes.margins(x=0.08, y=0.02)
    axes.invert_yaxis()
    style.save(drawn, target)
