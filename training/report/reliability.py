"""This module draws `reliability.png`, which shows whether a net that says 80 % is right four times in five."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from training.report import style

if TYPE_CHECKING:
    from training.measure.evaluation import Evaluation


def draw(evaluation: Evaluation, target: Path) -> None:
    """Draw the reliability diagram (DeGroot and Fienberg 1983; Guo et al. 2017) over a histogram of confidence."""
    bins = evaluation.bins
    rows, confidence, accuracy = bins.rows.numpy(), bins.confidence.numpy(), bins.accuracy.numpy()
    count = len(rows)
    width = 1 / count
    drawn = style.figure(6.4)
    style.title(drawn, f"Reliability: ECE {bins.ece:.3f} over {count} bins of confidence", style.rows_of(evaluation))
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 1.15])
    for axes in (upper, lower):
        style.plain(axes)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))

    filled = rows > 0
    places = (np.arange(count) + 0.5) * width
    middles, right, said = places[filled], accuracy[filled], confidence[filled]
    lower_end, upper_end = np.minimum(right, said), np.maximum(right, said)
    upper.bar(middles, lower_end, width * 0.92, color=style.SKY)
    for which, colour, hatch, label in (
        (said > right, style.VERMILLION, "////", "gap: surer than right"),
        (said < right, style.GREEN, "....", "gap: more often right than sure"),
    ):
        if which.any():
            upper.bar(
                middles[which], (upper_end - lower_end)[which], width * 0.92, bottom=lower_end[which],
                facecolor=colour + "22", edgecolor=colour, hatch=hatch, linewidth=0.8, label=label,
            )  # fmt: skip
    half = width * 0.46
    upper.hlines(right, middles - half, middles + half, color=style.BLUE, linewidth=3, label="accuracy in the bin")
    upper.plot([0, 1], [0, 1], color=style.INK, linewidth=1.1, linestyle="--", label="confidence = accuracy")
    upper.set_ylim(0, 1)
    upper.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    upper.set_ylabel("accuracy", fontsize=9)
    upper.legend(fontsize=8.5, loc="upper left", frameon=True, framealpha=1, edgecolor="none")

    lower.bar(places, rows, width * 0.92, color=style.SKY)
    most = rows.max()
    for place, number in zip(middles, rows[filled], strict=True):
        lower.text(place, number + most * 0.03, f"{number:,}", ha="center", fontsize=7.5, color=style.INK)
    lower.set_ylim(0, most * 1.3)
    mean = float((confidence * rows).sum() / rows.sum())
    lower.axvline(mean, color=style.INK, linewidth=1.2, linestyle="--", label=f"mean confidence {mean * 100:.1f} %")
    share = evaluation.accuracy
    lower.axvline(share, color=style.VERMILLION, linewidth=1.6, label=f"accuracy {share * 100:.1f} %")
    lower.legend(fontsize=8.5, loc="upper left", frameon=True, framealpha=1, edgecolor="none")
    lower.set_ylabel("pictures", fontsize=9)
    lower.set_xlabel("confidence: the largest probability", fontsize=9)
    style.save(drawn, target)
