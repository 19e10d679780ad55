"""This module compares two models on the same rows, pair by pair."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fer_export.errors import InvalidInputError
from training.measure.evaluation import Evaluation
from training.measure.robustness.lost import lost


@dataclass(frozen=True)
class Paired:
    """Hold how one model differs from another on the same rows.

    Attributes:
        samples: rows, N.
        only_this, only_other: rows that one of them alone answers right.
        points: percentage points of accuracy that this model is above the other.
        bound: half the width of the 95 % interval of `points`. It is over rows, not over trainings.
        p: how probable so uneven a split of the rows on which they differ is by chance, 0–1, two-sided and exact.
    """

    samples: int
    only_this: int
    only_other: int
    points: float
    bound: float
    p: float


def paired(this: Evaluation, other: Evaluation) -> Paired:
    """Compare two evaluations by McNemar's exact test (McNemar 1947; exact form: Edwards 1948).

    Raises:
        InvalidInputError: they are not of the same rows with the same labels.
    """
    if this.classes.shape != other.classes.shape or not this.classes.equal(other.classes):
        raise InvalidInputError("the two models were not measured on the same rows with the same labels")
    right, others = (each.probabilities.argmax(1) == each.classes for each in (this, other))
    gained = lost(others, right)
    only_this, only_other = int((right & ~others).sum()), int((others & ~right).sum())
    return Paired(len(right), only_this, only_other, -gained.points, gained.bound, _two_sided(only_this, only_other))


def _two_sided(first: int, second: int) -> float:
    """Return the probability that a fair coin falls at least as unevenly as `first` against `second`."""
    count = first + second
    tail = sum(math.comb(count, few) for few in range(min(first, second) + 1))
    # Whole numbers are divided last: 2^count is larger than any float from a thousand rows on.
    ways: int = 2**count
    return min(1.0, 2 * tail / ways)
