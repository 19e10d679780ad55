"""This module converts the padding of sliding windows from ONNX's explicit pads to TensorFlow's schemes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_export.tfgraph.graph import Array, Shape
from fer_export.tfgraph.node_context import NodeContext


def explicit_pads(context: NodeContext, kernel: Sequence[int], sizes: Shape) -> list[tuple[int, int]]:
    """Return the pads before and after each spatial axis, from `pads` or `auto_pad`.

    Args:
        kernel: the window sizes, dilation included.
        sizes: the spatial sizes of the input, `None` for free ones.
    """
    auto = context.attribute("auto_pad", "NOTSET")
    rank = len(kernel)
    if auto in ("NOTSET", ""):
        pads = list(context.attribute("pads", [0] * (2 * rank)))
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * rank
    strides = list(context.attribute("strides", [1] * rank))
    result = []
    for size, window, stride in zip(sizes, kernel, strides, strict=True):
        if size is None and stride > 1:
            context.fail(f"auto_pad {auto} with stride {stride} wants a fixed size")
        total = max(0, (-(-(size or 0) // stride) - 1) * stride + window - (size or 0)) if stride > 1 else window - 1
        small, large = total // 2, total - total // 2
        result.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return result


def ceil_pads(
    pads: Sequence[tuple[int, int]], kernel: Sequence[int], strides: Sequence[int], sizes: Shape
) -> list[tuple[int, int]] | None:
    """Return the pads together with what `ceil_mode` adds at the end; None where that depends on a free size.

    A last window that would start in the padding is left out, as ONNX and PyTorch do.
    """
    result = []
    for (before, after), window, stride, size in zip(pads, kernel, strides, sizes, strict=True):
        if size is None:
            return None
        windows = -(-(size + before + after - window) // stride) + 1
        if (windows - 1) * stride >= size + before:
            windows -= 1
        result.append((before, max(after, (windows - 1) * stride + window - size - before)))
    return result


def scheme(pads: Sequence[tuple[int, int]], kernel: Sequence[int], strides: Sequence[int], sizes: Shape) -> str | None:
    """Return `VALID` or `SAME` where TensorFlow's scheme gives exactly these pads, and None where neither does.

    SAME makes ceil(size / stride) windows and pads an odd pixel at the end.
    """
    if all(pad == (0, 0) for pad in pads):
        return "VALID"
    for pad, window, stride, size in zip(pads, kernel, strides, sizes, strict=True):
        if size is None and stride > 1:
            return None
        total = max(0, (-(-size // stride) - 1) * stride + window - size) if size is not None else window - 1
        if pad != (total // 2, total - total // 2):
            return None
    return "SAME"


def counted(
    size: int, pads: tuple[int, int], shift: int, outputs: int, window: int, stride: int, dilation: int
) -> Array:
    """Return, for each window along one axis, how many of its places lie inside the input and those pads.

    Args:
        pads: the pads that count as inside.
        shift: how far the first window starts before the input.
    """
    places = np.arange(outputs)[:, None] * stride - shift + np.arange(window) * dilation
    result: Array = ((places >= -pads[0]) & (places < size + pads[1])).sum(1)
    return result
