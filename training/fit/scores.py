"""This module scores answers to checked rows, for each set of labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchmetrics.functional.classification import multiclass_f1_score

from training.fit.multi_head import Head


def scores(heads: Sequence[Head], logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return accuracy and macro-F1 of each head over the rows that it has a label for.

    Args:
        heads: the second one's scores have its name before theirs: `fer2013_accuracy`.
        logits: [N, classes of all heads].
        targets: of the same shape; the rows of a set without a label are zeros.

    Returns:
        Scalars, 0–1.
    """
    found = {}
    for head in heads:
        wanted = head.of(targets)
        there = wanted.sum(1) > 0
        answers, labels = head.of(logits)[there].argmax(1), wanted[there].argmax(1)
        found[f"{head.prefix}accuracy"] = (answers == labels).float().mean()
        found[f"{head.prefix}macro_f1"] = multiclass_f1_score(
            answers, labels, num_classes=wanted.shape[1], average="macro"
        )
    return found
