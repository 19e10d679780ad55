"""The figures of a checkpoint on the rows that its source sets aside: one view, float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from fer_export.checkpoint import Checkpoint
from fer_export.errors import InvalidInputError
from training.data.sources import Source, load


@dataclass(frozen=True)
class Result:
    """Shares, 0–1.

    Attributes:
        recall: by label; None where no row has it.
        counts: rows by label.
    """

    split: str
    protocol: str
    samples: int
    accuracy: float
    macro_f1: float
    recall: dict[str, float | None]
    counts: dict[str, int]


def evaluate(checkpoint: Checkpoint, data: Path | None, source: str) -> Result:
    """Measure a checkpoint.

    Args:
        checkpoint: with the source's labels in the source's order.
        data: where FER2013 is, for sources that need it.
        source: `ferplus` or `drawn`.

    Raises:
        InvalidInputError: other labels, or data that does not hold.
    """
    rows = load(source, data)
    if checkpoint.contract.labels != rows.labels:
        raise InvalidInputError(f"the checkpoint's labels are not those of {source}: {', '.join(rows.labels)}")
    answers = _classes(checkpoint, rows)
    labels, classes = rows.check_labels, len(rows.labels)
    counts = torch.bincount(labels, minlength=classes).tolist()
    recall = multiclass_accuracy(answers, labels, classes, average="none").tolist()
    return Result(
        split=rows.split,
        protocol=rows.protocol.rpartition("checked by ")[2],
        samples=len(labels),
        accuracy=(answers == labels).double().mean().item(),
        macro_f1=multiclass_f1_score(answers, labels, classes, average="macro").item(),
        recall={name: value if count else None for name, value, count in zip(rows.labels, recall, counts, strict=True)},
        counts=dict(zip(rows.labels, counts, strict=True)),
    )


def _classes(checkpoint: Checkpoint, rows: Source) -> torch.Tensor:
    module = checkpoint.module()
    with torch.inference_mode():
        parts = [module(pixels.float())[1].argmax(1) for pixels in rows.check_pixels.split(256)]
    return torch.cat(parts)
