"""This module draws numbers for inputs that are no pictures, the same ones each time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fer_export.contract import ValuesInput

#: At most this many rows are drawn to cover every whole number of a range.
MOST_ROWS = 4096
#: A longer range is not shuffled; its numbers are drawn one by one.
_LONGEST = 1 << 22

Values = npt.NDArray[np.float32] | npt.NDArray[np.int32] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


def some(spec: ValuesInput, count: int) -> Values:
    """Draw rows uniformly over the range, ends included; three rows hold its lower end, middle and upper end.

    Returns:
        [count, *sizes, C] of the input's dtype.
    """
    low, high = spec.range
    rng = np.random.default_rng(48)
    shape = (count - 3, *_row(spec))
    middle = (low + high) / 2
    if spec.dtype == "float32":
        drawn = rng.uniform(low, high, shape)
    else:
        drawn, middle = rng.integers(int(low), int(high), shape, endpoint=True).astype(np.float64), middle // 1
    flats = [np.full((1, *shape[1:]), flat) for flat in (low, middle, high)]
    return np.concatenate([drawn, *flats]).astype(spec.dtype)


def missing(spec: ValuesInput, seen: Values) -> int:
    """Return how many rows cover every whole number of a range, at most `MOST_ROWS`; 0 where `seen` does already.

    A wrong row of an embedding table is found only if its number is looked up.
    """
    if spec.dtype == "float32" or len(np.unique(seen)) == _span(spec):
        return 0
    return min(math.ceil(_span(spec) / _each(spec)), MOST_ROWS)


def unseen(spec: ValuesInput) -> int:
    """Return how many whole numbers of a range remain uncovered by `MOST_ROWS` rows."""
    return 0 if spec.dtype == "float32" else max(0, _span(spec) - MOST_ROWS * _each(spec))


def every(spec: ValuesInput, count: int) -> Values:
    """Draw rows that hold each whole number of the range equally often; other inputs get those of `some`.

    Returns:
        [count, *sizes, C] of the input's dtype.
    """
    if spec.dtype == "float32":
        return some(spec, count + 3)[:count]
    rng = np.random.default_rng(49)
    amount, span = count * _each(spec), _span(spec)
    if span > _LONGEST:
        drawn = rng.integers(span, size=amount)
    else:
        drawn = np.concatenate([rng.permutation(span) for _ in range(math.ceil(amount / span))])[:amount]
    return (drawn + int(spec.range[0])).reshape(count, *_row(spec)).astype(spec.dtype)


def _span(spec: ValuesInput) -> int:
    return int(spec.range[1] - spec.range[0]) + 1


def _row(spec: ValuesInput) -> list[int]:
    """Return the sizes of one row, channels last."""
    return list(spec.axes_last)


def _each(spec: ValuesInput) -> int:
    """Return how many numbers one row holds."""
    return math.prod(_row(spec))
