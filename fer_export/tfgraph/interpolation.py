"""This module computes the resizing of one axis with ONNX's coordinates.

Source: https://onnx.ai/onnx/operators/onnx__Resize.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_export.tfgraph.graph import Array


@dataclass(frozen=True)
class Axis:
    """Describe one axis that changes its size.

    Attributes:
        size, target: the sizes before and after.
        scale: the model's own scale, which can differ from target / size.
        region: start and end of the part that `tf_crop_and_resize` takes, as fractions of the axis.
    """

    size: int
    target: int
    scale: float
    region: tuple[float, float] = (0.0, 1.0)


def coordinates(axis: Axis, mode: str) -> Array:
    """Return the coordinate in the input, in pixels, of each place of the output.

    Raises:
        ValueError: ONNX has no such mode.
    """
    x = np.arange(axis.target, dtype=np.float64)
    size, target, scale = axis.size, axis.target, axis.scale
    # ONNX uses the target size before it is rounded down to a whole number.
    length = scale * size
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and length > 1):
        return (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return np.zeros(target)
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - target / length) + (x + 0.5) / scale - 0.5
    if mode == "align_corners":
        return np.zeros(target) if length == 1 else x * (size - 1) / (length - 1)
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_crop_and_resize":
        start, end = axis.region
        if length <= 1:
            return np.full(target, 0.5 * (start + end) * (size - 1))
        return start * (size - 1) + x * (end - start) * (size - 1) / (length - 1)
    raise ValueError(mode)


def nearest(axis: Axis, mode: str, rounding: str) -> Array:
    """Return the index of the input that each place of the output takes."""
    x = coordinates(axis, mode)
    # The reference treats a number within rounding error of a whole number as that number.
    x = np.where(np.isclose(x, np.round(x), rtol=0, atol=1e-9), np.round(x), x)
    rounded = {
        "round_prefer_floor": np.ceil(x - 0.5),
        "round_prefer_ceil": np.floor(x + 0.5),
        "floor": np.floor(x),
        "ceil": np.ceil(x),
    }[rounding]
    result: Array = np.clip(rounded, 0, axis.size - 1).astype(np.int32)
    return result


def weights(axis: Axis, mode: str, kernel: str, *, a: float, antialias: bool, exclude_outside: bool) -> Array:
    """Return the matrix [target, size] of how much each place of the input contributes to each of the output.

    Args:
        kernel: `linear` or `cubic`.
        a: the coefficient of the cubic kernel.
        antialias: widen the kernel where the axis shrinks.
        exclude_outside: give places outside the input no weight, instead of repeating the edge.
    """
    x = coordinates(axis, mode)
    shrink = min(axis.scale, 1.0) if antialias else 1.0
    reach = (1 if kernel == "linear" else 2) / shrink
    result = np.zeros((axis.target, axis.size))
    for row, centre in enumerate(x):
        places = np.arange(int(np.floor(centre - reach)), int(np.ceil(centre + reach)) + 1)
        share = _kernel((places - centre) * shrink, kernel, a)
        inside = (places >= 0) & (places < axis.size)
        if exclude_outside:
            share = np.where(inside, share, 0.0)
        if antialias or exclude_outside:
            share = share / share.sum()
        np.add.at(result[row], np.clip(places, 0, axis.size - 1), share)
    return result


def _kernel(distance: Array, kernel: str, a: float) -> Array:
    d = np.abs(distance)
    if kernel == "linear":
        linear: Array = np.clip(1 - d, 0, 1)
        return linear
    near: Array = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    result: Array = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return result
