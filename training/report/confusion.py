"""This module draws `confusion.png`, the confusion matrix of labelled against answered classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from training.report import style

if TYPE_CHECKING:
    from training.measure.evaluation import Evaluation


def draw(evaluation: Evaluation, target: Path) -> None:
    """Draw the single view's matrix: shares of each labelled row, with the counts under them."""
    counts = evaluation.confusion.double()
    support = counts.sum(1, keepdim=True)
    shares = counts / support.clamp(min=1)
    names = [_short(record.label) for record in evaluation.labels]
    size = len(names)
    drawn = style.figure(6.6)
    style.title(drawn, "Confusion matrix: share of each labelled row, count below", style.rows_of(evaluation))
    axes = drawn.subplots()
    picture = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    large = max(4.5, min(10.0, 78 / size))
    for row in range(size):
        if not support[row]:
            axes.add_patch(Rectangle((-0.5, row - 0.5), size, 1, fill=False, hatch="////", edgecolor=style.GRID, lw=0))
            axes.text((size - 1) / 2, row, "no row has this label", ha="center", va="center", fontsize=8.5)
            continue
        for column in range(size):
            share, count = float(shares[row, column]), int(counts[row, column])
            if not count:
                axes.text(column, row, "0", ha="center", va="center", fontsize=large * 0.72, color=style.FAINT)
                continue
            shown = f"{share * 100:.0f} %" if share >= 0.01 else f"{share * 100:.1f} %"
            look: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if share > 0.58 else style.INK}
            weight = "bold" if row == column else "normal"
            axes.text(column, row - 0.13, shown, fontsize=large, fontweight=weight, **look)
            axes.text(column, row + 0.24, f"{count:,}", fontsize=large * 0.72, **look)
    axes.set_xticks(range(size), names, rotation=40, ha="right", rotation_mode="anchor", parse_math=False)
    sided = [f"{name}\nn = {int(total):,}" for name, total in zip(names, support[:, 0], strict=True)]
    axes.set_yticks(range(size), sided, parse_math=False)
    axes.tick_params(labelsize=max(6.0, min(9.0, 80 / size)), length=0, colors=style.INK)
    axes.set_xlabel("answered", fontsize=9.5)
    axes.set_ylabel("labelled", fontsize=9.5)
    axes.spines[:].set_visible(False)
    axes.set_xticks([place + 0.5 for place in range(size - 1)], minor=True)
    axes.set_yticks([place + 0.5 for place in range(size - 1)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    bar = drawn.colorbar(picture, ax=axes, shrink=0.6, aspect=30, pad=0.02, format=PercentFormatter(1, symbol=" %"))
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    style.save(drawn, target)


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "…"
