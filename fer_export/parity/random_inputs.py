"""Numbers for inputs that are no pictures, the same each time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fer_export.contract import ValuesInput

#: No more rows than these are drawn to see every whole number of a range.
MOST_ROWS = 4096
#: Of a longer range no order is drawn, but one number after the other.
_LONGEST = 1 << 22

Values = npt.NDArray[np.float32] | npt.NDArray[np.int32] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


def some(spec: ValuesInput, count: int) -> Values:
    """Uniform over the range, both ends included, but for three rows: its lower end, its middle, its upper end.

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
    """How many rows it takes to see every whole number of a range, `MOST_ROWS` at most; 0 where all have been.

    A table that numbers are looked up in is checked row by row: a wrong one that nobody looks up is not found.
    """
    if spec.dtype == "float32" or len(np.unique(seen)) == _span(spec):
        return 0
    return min(math.ceil(_span(spec) / _each(spec)), MOST_ROWS)


def unseen(spec: ValuesInput) -> int:
    """How many whole numbers of a range are more than `MOST_ROWS` rows hold."""
    return 0 if spec.dtype == "float32" else max(0, _span(spec) - MOST_ROWS * _each(spec))


def every(spec: ValuesInput, count: int) -> Values:
    """Rows in which each whole number of the range comes as often as any other; other inputs get `some`.

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
    """The sizes of one row, channels last."""
    return list(spec.axes_last)


def _each(spec: ValuesInput) -> int:
    """Numbers in one row."""
    return math.prod(_row(spec))
