"""This module holds what a bisection found, and writes it as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_COLUMNS = 80
#: At most this many operators are listed.
_MOST = 4
_NUMBERS = ("minimum", "maximum", "mean", "deviation")


@dataclass(frozen=True)
class Statistics:
    """Hold statistics over all elements of one value; `deviation` is the standard deviation."""

    minimum: float
    maximum: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, array: Array) -> Statistics:
        """Compute the statistics of an array of any shape; those of an empty one are NaN."""
        values = np.asarray(array, np.float64)
        if not values.size:
            return cls(*[float("nan")] * 4)
        with np.errstate(invalid="ignore"):
            return cls(float(values.min()), float(values.max()), float(values.mean()), float(values.std()))


@dataclass(frozen=True)
class Operator:
    """Name an ONNX node and its operator; `layer` is the torch module that it was exported from, where known."""

    name: str
    operator: str
    layer: str | None = None

    def __str__(self) -> str:
        layer = f" (layer {self.layer})" if self.layer else ""
        return f"{self.operator} {self.name}{layer}"


@dataclass(frozen=True)
class Value:
    """Describe an ONNX value that differs, with the expected and the found numbers.

    Attributes:
        name: the name of the ONNX value.
        operators: the ONNX nodes between it and the last values that are right, in order; it is the output of the last.
            There are several where the artefact fuses them, or keeps no names for the values between.
        operator: the wrong one among them; None where they cannot be told apart.
        shape: the shape in ONNX's order, with the batch; None for `got` where it has the same shape.
        inputs: the values that `operators` start from, all within tolerance.
        max_abs: the largest difference; infinite where the shapes differ.
        scale: the largest magnitude of the expected value.
        limit: the largest difference allowed (`scan.Limits`).
        alone: the largest difference that remains when ONNX Runtime computes `operators` from the artefact's own
            inputs of them. Where it is much smaller than `max_abs`, these operators only enlarge an earlier error.
    """

    name: str
    operators: tuple[Operator, ...]
    operator: Operator | None
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    expected: Statistics
    got: Statistics
    got_shape: tuple[int, ...] | None
    max_abs: float
    scale: float
    limit: float
    alone: float | None = None

    @property
    def off(self) -> bool:
        """Return whether it is out of tolerance; a difference of NaN always is."""
        return not self.max_abs <= self.limit


@dataclass(frozen=True)
class Finding:
    """Say where an artefact leaves its reference.

    Attributes:
        artefact, reference: the labels of the two that were compared.
        picture: the name of the picture that shows the difference.
        method: how the values were obtained.
        value: the first value out of tolerance; None where none can be named, and then `notes` say why.
        notes: one sentence each: which constants or nodes differ, and what else was seen.
    """

    artefact: str
    reference: str
    picture: str
    method: str
    value: Value | None = None
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the finding for `--json`, with None in place of numbers that are not finite."""
        record: dict[str, Any] = _finite(asdict(self))
        return record

    def text(self) -> list[str]:
        """Return the finding as lines of at most 80 columns."""
        lines = _wrapped(f"bisect: {self.artefact} against {self.reference}, picture {self.picture}", "")
        if self.value is None:
            lines += _wrapped("no operator can be named", "  ")
        else:
            lines += _about(self.value)
        for note in self.notes:
            lines += _wrapped(note, "  ")
        return [*lines, *_wrapped(f"how: {self.method}", "  ")]


def _about(value: Value) -> list[str]:
    told = [value.operator] if value.operator else list(value.operators)
    rest = [operator for operator in value.operators if operator not in told]
    lines = _wrapped(f"first out of tolerance: {_listed(told)}", "  ")
    if len(told) > 1:
        lines += _wrapped("the artefact has no value between these", "    ")
    if rest:
        lines += _wrapped(f"the artefact has no value between this and {_listed(rest)}", "    ")
    lines += _wrapped(f"output: {value.name} {list(value.shape)}", "    ")
    lines += _wrapped(f"within tolerance: {', '.join(value.inputs) or 'no value before it'}", "    ")
    if value.got_shape is not None:
        return [*lines, *_wrapped(f"the artefact has it in the shape {list(value.got_shape)}", "    ")]
    lines.append("    " + " " * 9 + "".join(f"{heading:>12}" for heading in _NUMBERS))
    for side, numbers in (("expected", value.expected), ("got", value.got)):
        lines.append(f"    {side:<9}" + "".join(f"{getattr(numbers, name):>12.4g}" for name in _NUMBERS))
    relative = f", {value.max_abs / value.scale:.1e} of the largest value" if value.scale else ""
    lines += _wrapped(f"max abs {value.max_abs:.2e}{relative}; allowed {value.limit:.1e}", "    ")
    if value.alone is not None:
        says = (
            "so the error is made here" if value.alone > value.max_abs / 2 else "so the error comes in, and grows here"
        )
        lines += _wrapped(f"from the artefact's own inputs: {value.alone:.2e}, {says}", "    ")
    return lines


def _listed(operators: Sequence[Operator]) -> str:
    if len(operators) <= _MOST:
        return ", ".join(map(str, operators))
    return f"one of {len(operators)} operators from {operators[0]} to {operators[-1]}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
