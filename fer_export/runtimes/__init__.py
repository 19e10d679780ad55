"""Runtimes: one file each, and all answer the same call.

A runtime takes pictures [N, H, W, C] (uint8 or float32, 0–255) and answers a dict from output name
to float32, channels last: [N, classes] or [N, h, w, c]. A net with several inputs takes them as the
fields of one structured array [N], each named as the input and of dtype ("uint8", (H, W, C)). An
input that is no picture has the contract's dtype and channels last too: one number [N], a vector [N, C], a
signal [N, L, C].
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
Answers = dict[str, npt.NDArray[np.float32]]


class Runtime(Protocol):
    """Anything that computes a model."""

    @property
    def name(self) -> str:
        """What the parity table calls it."""

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last."""


def by_input(pixels: Pixels, name: str) -> dict[str, Pixels]:
    """The pictures [N, H, W, C] for each input by name; `name` is the input of a net that has but one."""
    fields = pixels.dtype.names
    return {field: pixels[field] for field in fields} if fields else {name: pixels}


def typed(part: Pixels) -> Pixels:
    """Pictures and other values as float32, but int32, int64 and bool as they are."""
    return part.astype(_kind(part), copy=False)


def channels_first(pixels: Pixels) -> npt.NDArray[Any]:
    """[N, …, C] → [N, C, …], contiguous; of the type that `typed` gives."""
    # A copy: one channel moved is contiguous as it is, but with strides that torch takes for channels last, and
    # after a convolution of those `view` fails.
    moved = np.moveaxis(pixels, -1, 1) if pixels.ndim > 2 else pixels
    return moved.astype(_kind(pixels), order="C")


def channels_last(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[N, C, …] → [N, …, C]; ranks under 3 stay as they are."""
    return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if values.ndim > 2 else values


def _kind(part: Pixels) -> np.dtype[Any]:
    return part.dtype if part.dtype.kind in "ib" else np.dtype(np.float32)
