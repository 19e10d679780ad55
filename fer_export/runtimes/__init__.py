"""This package holds the runtimes, one in each file, all with the same call.

A runtime takes the rows of every input by the input's name, and returns those of every output by the output's name.
Pictures are [N, H, W, C] (uint8 or float32, 0–255); an input that is no picture has the contract's dtype and channels
last too: one number [N], a vector [N, C], a signal [N, L, C]. Outputs are float32, channels last: [N, classes] or
[N, h, w, c].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fer_export.contract import Contract

Array = npt.NDArray[Any]
#: Rows [N, …, C] of each input by its name.
Inputs = Mapping[str, Array]
Outputs = dict[str, npt.NDArray[np.float32]]


class Runtime(Protocol):
    """Describe anything that computes a model."""

    @property
    def name(self) -> str:
        """Return the name in the parity table."""

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name."""


def single(contract: Contract, rows: Array) -> Inputs:
    """Return rows [N, …, C] as the inputs of a net that has only one.

    Raises:
        ValueError: the net has several inputs.
    """
    (spec,) = contract.inputs
    return {spec.name: rows}


def count(inputs: Inputs) -> int:
    """Return how many rows each of the inputs has."""
    return len(next(iter(inputs.values())))


def rows(inputs: Inputs, chosen: slice | Array) -> Inputs:
    """Return some rows of every input.

    Args:
        inputs: rows [N, …, C] by name.
        chosen: a slice, or the numbers of the rows in the order wanted; a number may occur more than once.
    """
    return {name: part[chosen] for name, part in inputs.items()}


def typed(part: Array) -> Array:
    """Return float32 for pictures and other values, but int32, int64 and bool as they are."""
    return part.astype(_dtype(part), copy=False)


def channels_first(part: Array) -> Array:
    """Return [N, …, C] as contiguous [N, C, …], of the type that `typed` gives."""
    # The copy matters: one channel that is moved stays contiguous, but with strides that torch takes for channels last,
    # and after a convolution of those `view` fails.
    moved = np.moveaxis(part, -1, 1) if part.ndim > 2 else part
    return moved.astype(_dtype(part), order="C")


def channels_last(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return [N, C, …] as [N, …, C]; ranks under 3 stay as they are."""
    return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if values.ndim > 2 else values


def _dtype(part: Array) -> np.dtype[Any]:
    return part.dtype if part.dtype.kind in "ib" else np.dtype(np.float32)
