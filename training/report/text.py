"""This module writes the metrics as text for a terminal and as a record for JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from training.measure.figures import Figures

if TYPE_CHECKING:
    from training.measure.evaluation import Evaluation
    from training.measure.paired import Paired


def share(value: float | None, digits: int = 2) -> str:
    """Format a share, 0.8737 as "87.37 %"; None gives a dash."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def as_text(evaluation: Evaluation, width: int = 78) -> str:
    """Return what was measured as text, in lines of at most `width` columns (the tables need 60)."""
    about = f"{evaluation.data}, {evaluation.split}, n = {evaluation.samples:,}"
    lines = textwrap.wrap(about, width) + textwrap.wrap(f"labels: {evaluation.protocol}", width)
    lines += ["", "single view"]
    lines += [f"  {name:<19}{value:<16}{note}".rstrip() for name, value, note in _rows(evaluation)]
    lines += ["", *_table(evaluation)]
    if evaluation.tta:
        lines += ["", f"average of {evaluation.views} views, measured apart"]
        lines += [f"  {name:<19}{value}" for name, value, _ in _rows(evaluation.tta)]
    return "\n".join(lines)


def compared(pairs: Paired, other: str) -> str:
    """Say how a model differs from another on the same rows."""
    return (
        f"against {other}, on the same {pairs.samples:,} rows: {pairs.points:+.2f} ± {pairs.bound:.2f} points (95 %, "
        f"paired); right where the other is wrong {pairs.only_this}, wrong where it is right {pairs.only_other}; "
        f"p = {pairs.p:.3g} (McNemar, exact)"
    )


def record(evaluation: Evaluation) -> dict[str, Any]:
    """Return the same for JSON: shares 0–1, None where there is no value."""
    return {
        "data": evaluation.data,
        "split": evaluation.split,
        "protocol": evaluation.protocol,
        "samples": evaluation.samples,
        "single_view": _figures(evaluation),
        "averaged_views": {"views": evaluation.views, **_figures(evaluation.tta)} if evaluation.tta else None,
    }


def _rows(figures: Figures) -> list[tuple[str, str, str]]:
    error = f"± {figures.accuracy_error * 100:.2f}"
    return [
        ("accuracy", f"{figures.accuracy * 100:.2f} {error} %", "binomial standard error"),
        ("macro-F1", f"{figures.macro_f1:.4f}", "labels that occur"),
        ("balanced accuracy", share(figures.balanced_accuracy), "mean recall"),
        ("NLL", f"{figures.nll:.4f}", "nats"),
        ("ECE", f"{figures.ece:.4f}", f"{len(figures.bins.rows)} bins"),
    ]


def _table(figures: Figures) -> list[str]:
    room = min(20, max(len("label"), *(len(record.label) for record in figures.labels)))
    lines = [f"  {'label':<{room}}{'precision':>11}{'recall':>10}{'F1':>8}{'support':>9}"]
    for one in figures.labels:
        name = one.label if len(one.label) <= room else one.label[: room - 1] + "…"
        f1 = "–" if one.f1 is None else f"{one.f1:.3f}"
        shares = f"{share(one.precision, 1):>11}{share(one.recall, 1):>10}"
        lines.append(f"  {name:<{room}}{shares}{f1:>8}{one.support:>9,}")
    return lines


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "accuracy": figures.accuracy,
        "accuracy_standard_error": figures.accuracy_error,
        "macro_f1": figures.macro_f1,
        "balanced_accuracy": figures.balanced_accuracy,
        "nll": figures.nll,
        "ece": figures.ece,
        "labels": [vars(one) for one in figures.labels],
        "confusion": figures.confusion.tolist(),
        "bins": {
            "rows": figures.bins.rows.tolist(),
            "confidence": figures.bins.confidence.tolist(),
            "accuracy": figures.bins.accuracy.tolist(),
        },
    }
