"""The numbers of one set of answers, each by a definition that is written down here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

#: Bins of confidence, of equal width.
BINS = 15


@dataclass(frozen=True)
class LabelFigures:
    """One label, shares 0–1; None where a share is of nothing.

    Attributes:
        precision: right among the rows that were called so; None if none was.
        recall: right among the rows that have the label; None if none has.
        f1: their harmonic mean, 2tp / (2tp + fp + fn); None if no row has the label or was called so.
        support: rows that have the label.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, eq=False)
class Bins:
    """Top-label confidence against accuracy; bin b holds confidences in (b / n, (b + 1) / n].

    Attributes:
        rows: int64 [n].
        confidence, accuracy: float64 [n], means over the bin's rows, 0 where it has none.
    """

    rows: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def ece(self) -> float:
        """Expected calibration error, 0–1: the mean gap, weighted by rows (Guo et al. 2017, eq. 3)."""
        return float(((self.accuracy - self.confidence).abs() * self.rows).sum() / self.rows.sum())


@dataclass(frozen=True, eq=False)
class Figures:
    """What was measured. Shares are 0–1.

    Attributes:
        accuracy: rows whose most likely label is the labelled one.
        accuracy_error: its binomial standard error, sqrt(p (1 - p) / n). Of the rows, not of the training.
        macro_f1: mean F1 over the labels that some row has or some answer gives (torchmetrics' macro): a label
            that is given and that no row has counts 0; one that never occurs is left out.
        balanced_accuracy: mean recall over the labels that some row has.
        nll: mean cross-entropy in nats between the target (one-hot or votes) and the answer. Answers
            below the smallest float32 count as that, so one row costs 87.3 at most.
        bins: for the reliability diagram and `ece`.
        labels: one record for each label, in the contract's order.
        confusion: int64 [labelled, answered].
    """

    accuracy: float
    accuracy_error: float
    macro_f1: float
    balanced_accuracy: float
    nll: float
    bins: Bins
    labels: tuple[LabelFigures, ...]
    confusion: Tensor

    @property
    def ece(self) -> float:
        """Expected calibration error over 15 bins, see `Bins`."""
        return self.bins.ece


def figures_of(probabilities: Tensor, targets: Tensor, labels: tuple[str, ...]) -> Figures:
    """The figures of some answers.

    Args:
        probabilities: float32 [N, classes], N ≥ 1.
        targets: float32 [N, classes], one-hot or a distribution; every row has a label.
        labels: the names of the classes.
    """
    answers, classes, count = probabilities.argmax(1), targets.argmax(1), len(labels)
    confusion = multiclass_confusion_matrix(answers, classes, count)
    support, called = confusion.sum(1), confusion.sum(0)
    precision = multiclass_precision(answers, classes, count, average="none")
    recall = multiclass_recall(answers, classes, count, average="none")
    f1 = multiclass_f1_score(answers, classes, count, average="none")
    accuracy = (answers == classes).double().mean().item()
    floor = torch.finfo(torch.float32).tiny
    return Figures(
        accuracy=accuracy,
        accuracy_error=math.sqrt(accuracy * (1 - accuracy) / len(classes)),
        macro_f1=multiclass_f1_score(answers, classes, count, average="macro").item(),
        # torchmetrics' macro recall takes a label that no row has for 0 as soon as an answer gives it.
        balanced_accuracy=recall[support > 0].double().mean().item(),
        nll=-(targets.double() * probabilities.double().clamp(min=floor).log()).sum(1).mean().item(),
        bins=calibration(probabilities, classes),
        labels=tuple(
            LabelFigures(
                label=label,
                precision=precision[index].item() if called[index] else None,
                recall=recall[index].item() if support[index] else None,
                f1=f1[index].item() if called[index] or support[index] else None,
                support=int(support[index]),
            )
            for index, label in enumerate(labels)
        ),
        confusion=confusion,
    )


def calibration(probabilities: Tensor, classes: Tensor, bins: int = BINS) -> Bins:
    """Confidence and accuracy by bin: float32 [N, classes] and int64 [N] → `Bins`.

    torchmetrics' `multiclass_calibration_error` gives a confidence of exactly 1 a bin of its own; here it is in the
    last one, as in Guo et al. (https://arxiv.org/abs/1706.04599).
    """
    confidence, answers = probabilities.double().max(1)
    inner = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    index = torch.bucketize(confidence, inner)
    rows = torch.bincount(index, minlength=bins)
    divisor = rows.clamp(min=1)
    return Bins(
        rows=rows,
        confidence=torch.bincount(index, confidence, bins) / divisor,
        accuracy=torch.bincount(index, (answers == classes).double(), bins) / divisor,
    )
