"""This module computes with boxes: float64 [N, 4] as x1, y1, x2, y2.

Some formulas count pixels inclusively (+ 1) and some do not, as the reference does; a change
would move its faces.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Overlap = Literal["union", "smaller"]


def suppress(boxes: Boxes, scores: Scores, threshold: float, over: Overlap = "union") -> Indices:
    """Return which boxes greedy non-maximum suppression keeps, best first.

    Args:
        boxes: the boxes, [N, 4].
        scores: their scores, [N]; among equals the earlier box wins.
        threshold: a box is dropped when its overlap with a better one exceeds this.
        over: the area that the intersection is divided by: of the "union", or of the "smaller" of the two
            boxes, which also drops boxes inside others. The reference counts pixels inclusively
            (+ 1) in the second case only.
    """
    pixel = 1.0 if over == "smaller" else 0.0
    x1, y1, x2, y2 = boxes.T
    area = (x2 - x1 + pixel) * (y2 - y1 + pixel)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size > 0:
        best, order = order[0], order[1:]
        kept.append(int(best))
        w = np.maximum(0.0, np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order]) + pixel)
        h = np.maximum(0.0, np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order]) + pixel)
        inter = w * h
        base = area[best] + area[order] - inter if over == "union" else np.minimum(area[best], area[order])
        # Multiplying instead of dividing makes boxes without area overlap nothing.
        order = order[inter <= threshold * base]
    return np.asarray(kept, np.intp)


def regress(boxes: Boxes, offsets: npt.NDArray[np.floating], pixel: float) -> Boxes:
    """Move each edge by its offset [N, 4], in units of the box's width or height; `pixel` is added to those."""
    size = boxes[:, 2:] - boxes[:, :2] + pixel
    moved: Boxes = boxes + offsets.astype(np.float64) * np.concatenate([size, size], axis=1)
    return moved


def squares(boxes: Boxes) -> Boxes:
    """Return the squares around the boxes' centres with the longer side of each box."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * 0.5 - side * 0.5
    return np.concatenate([corner, corner + side], axis=1)


def windows(boxes: Boxes, height: int, width: int) -> npt.NDArray[np.int64]:
    """Return the whole pixels under each box inside the photo, [N, 4]; an empty one has x2 ≤ x1 or y2 ≤ y1.

    The reference counts pixels from 1 and includes both ends.
    """
    whole = np.trunc(boxes).astype(np.int64)
    low = np.maximum(whole[:, :2], 1) - 1
    high = np.minimum(whole[:, 2:], [width, height])
    return np.concatenate([low, high], axis=1)


def iou(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    """Return the intersection over union of all pairs, [N, 4] and [M, 4] → [N, M], 0–1."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.maximum(0.0, high - low).prod(axis=2)
    areas = [np.maximum(0.0, boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - inter
    overlap: npt.NDArray[np.float64] = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return overlap
