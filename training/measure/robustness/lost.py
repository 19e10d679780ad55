"""This module computes the accuracy lost between two ways of showing the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

#: The two-sided 95 % quantile of the normal distribution.
_Z = 1.959964


@dataclass(frozen=True)
class Lost:
    """Hold how much accuracy the second way loses against the first.

    Attributes:
        accuracy: accuracy of the second way, 0–1.
        points: percentage points that the second way is below the first; negative where it is better.
        bound: half the width of the 95 % interval of `points`, in points. It is over rows, not over trainings.
    """

    accuracy: float
    points: float
    bound: float


def lost(before: Tensor, after: Tensor) -> Lost:
    """Compute the loss from the rows answered right `before` and `after`: float or bool [N] each, 0–1.

    The interval is the normal one of the mean paired difference. For bool it is the one that belongs to McNemar's
    test: b rows lost and c won of n give (b - c) / n ± 1.96 sqrt(b + c - (b - c)² / n) / n. It is unreliable where
    b + c is under about ten.
    """
    assert before.shape == after.shape and before.ndim == 1 and len(before)
    difference = before.double() - after.double()
    error = difference.std(correction=0).item() / math.sqrt(len(difference))
    return Lost(after.double().mean().item(), 100 * difference.mean().item(), 100 * _Z * error)
