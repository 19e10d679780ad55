"""This module computes the metrics of a set of answers, and defines each of them."""

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

#: How many bins of confidence there are, of equal width.
BINS = 15


@dataclass(frozen=True)
class LabelFigures:
    """Hold the metrics of one label: shares 0–1, None where the denominator is 0.

    Attributes:
        precision: share of right ones among the rows that were given the label; None if none was.
        recall: share of right ones among the rows that have the label; None if none has.
        f1: their harmonic mean, 2tp / (2tp + fp + fn); None if no row has the label or was given it.
        support: number of rows that have the label.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, eq=False)
class Bins:
    """Hold top-label confidence and accuracy by bin; bin b has the confidences in (b / n, (b + 1) / n].

    Attributes:
        rows: int64 [n], number of rows in each bin.
        confidence, accuracy: float64 [n], means over the bin's rows, 0 where it has none.
    """

    rows: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def ece(self) -> float:
        """Return the expected calibration error, 0–1: the mean gap, weighted by rows (Guo et al. 2017, eq. 3)."""
        return float(((self.accuracy - self.confidence).abs() * self.rows).sum() / self.rows.sum())


@dataclass(frozen=True, eq=False)
class Figures:
    """Hold the metrics of a set of answers. Shares are 0–1.

    Attributes:
        accuracy: share of rows whose most likely label is the labelled one.
        accuracy_error: its binomial standard error, sqrt(p (1 - p) / n). It is over rows, not over trainings.
        macro_f1: mean F1 over the labels that some row has or some answer gives (torchmetrics' macro): a label
            that is given but that no row has counts 0; one that never occurs is left out.
        balanced_accuracy: mean recall over the labels that some row has.
        nll: mean cross-entropy in nats between the target (one-hot or votes) and the answer. Probabilities below
            the smallest normal float32 are raised to it, so one row costs 87.3 at most.
        bins: confidence and accuracy by bin, for the reliability diagram and `ece`.
        labels: one record for each label, in the contract's order.
        confusion: int64 [classes, classes], counts by labelled and answered class.
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
        """Return the expected calibration error over 15 bins, see `Bins`."""
        return self.bins.ece


def figures_of(probabilities: Tensor, targets: Tensor, labels: tuple[str, ...]) -> Figures:
    """Compute the metrics of a set of answers.

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
        # torchmetrics' macro recall counts a label that no row has as 0 if some answer gives it, so it is not used.
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
    """Compute confidence and accuracy by bin from probabilities, float [N, classes], and classes, int64 [N].

    torchmetrics' `multiclass_calibration_error` gives a confidence of exactly 1 a bin of its own; here it is in the
    last bin, as in Guo et al. (https://arxiv.org/abs/1706.04599).
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
