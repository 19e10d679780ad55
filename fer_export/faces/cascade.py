"""This module runs MTCNN's cascade as facenet-pytorch does.

P-Net slides over a pyramid of the photo and proposes boxes; R-Net rejects most; O-Net decides and
finds five landmarks. O-Net alone looks at faces whose place is roughly known, as in the next frame of a video.
`web/src/vision/cascade.ts` is the same in TypeScript.
Source: Zhang et al. 2016, https://arxiv.org/abs/1604.02878.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from fer_export.contract import Cascade
from fer_export.faces.boxes import Boxes, Scores, regress, squares, suppress, windows
from fer_export.faces.face import Box, Face, Landmarks
from fer_export.faces.nets import Array, Net, Nets, torch_nets
from fer_export.faces.photo import Picture, as_photo
from fer_export.faces.pooling import AreaTable

#: Properties of the nets and of their authors' suppression of boxes; they are not for tuning.
CELL, STRIDE = 12, 2
RNET_SIZE, ONET_SIZE = 24, 48
SUPPRESS_IN_LEVEL, SUPPRESS = 0.5, 0.7
#: R- and O-Net take at most this many windows at once, so that a crowd does not need unlimited memory.
PORTION = 256

DEFAULT = Cascade(stage="pnet")


def detect(
    picture: Picture,
    *,
    near: Sequence[Box] | None = None,
    settings: Cascade = DEFAULT,
    nets: Nets | None = None,
) -> list[Face]:
    """Find all faces in a picture, the largest first.

    Args:
        picture: a path, a PIL picture, or uint8 RGB [H, W, 3].
        near: where the faces were in the frame before, in pixels; only these places are looked at, several times
            faster. A place without a face gives none. None searches the whole picture.
        settings: the smallest face in pixels, the pyramid factor, the three thresholds.
        nets: the nets of another runtime; None takes torch's.

    Returns:
        Box, landmarks and score of each face, in pixels of the upright picture.

    Raises:
        InvalidInputError: the picture cannot be read, or is not valid.
    """
    photo = as_photo(picture)
    nets = nets or torch_nets()
    table = AreaTable(photo)
    if near is None:
        return _refine(table, _propose(table, settings, nets.pnet), settings, nets)
    places = np.asarray(near, np.float64).reshape(-1, 4)
    return _decide(table, squares(places[np.isfinite(places).all(axis=1)]), settings, nets)


def scales(height: int, width: int, settings: Cascade) -> list[float]:
    """Return the pyramid's scales, largest first: from `min_face` at P-Net's cell size down to the whole photo."""
    found = []
    scale = CELL / settings.min_face
    side = min(height, width) * scale
    while side >= CELL:
        found.append(scale)
        scale *= settings.factor
        side *= settings.factor
    return found


def _propose(table: AreaTable, settings: Cascade, pnet: Net) -> Boxes:
    """Return P-Net's boxes as squares, [N, 4]."""
    found = [_level(table, scale, settings, pnet) for scale in scales(table.height, table.width, settings)]
    if not found:
        return np.zeros((0, 4))
    boxes = np.concatenate([level[0] for level in found])
    scores = np.concatenate([level[1] for level in found])
    offsets = np.concatenate([level[2] for level in found])
    kept = suppress(boxes, scores, SUPPRESS)
    return squares(regress(boxes[kept], offsets[kept], pixel=0.0))


def _level(table: AreaTable, scale: float, settings: Cascade, pnet: Net) -> tuple[Boxes, Scores, Array]:
    """Return the boxes [N, 4] in the photo, scores [N] and offsets [N, 4] of one level of the pyramid."""
    whole = (0, 0, table.width, table.height)
    pixels = table.resize(whole, int(table.height * scale + 1), int(table.width * scale + 1))
    answer = pnet(pixels[None])
    probabilities = answer["probabilities"][0, :, :, 1]
    rows, columns = np.nonzero(probabilities >= settings.thresholds[0])
    # Single precision as in the reference: in double precision some quotients round down to another pixel.
    cells = np.stack([columns, rows], axis=1).astype(np.float32) * np.float32(STRIDE)
    low = np.floor((cells + np.float32(1)) / np.float32(scale))
    high = np.floor((cells + np.float32(CELL)) / np.float32(scale))
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    scores = probabilities[rows, columns].astype(np.float64)
    kept = suppress(boxes, scores, SUPPRESS_IN_LEVEL)
    return boxes[kept], scores[kept], answer["boxes"][0, rows, columns][kept]


def _refine(table: AreaTable, boxes: Boxes, settings: Cascade, nets: Nets) -> list[Face]:
    """Run R-Net, then O-Net, on square proposals [N, 4]."""
    boxes, scores, offsets, _ = _judge(table, boxes, nets.rnet, RNET_SIZE, settings.thresholds[1])
    # R-Net's suppression comes before its offsets are applied, O-Net's after.
    kept = suppress(boxes, scores, SUPPRESS)
    return _decide(table, squares(regress(boxes[kept], offsets[kept], pixel=1.0)), settings, nets)


def _decide(table: AreaTable, boxes: Boxes, settings: Cascade, nets: Nets) -> list[Face]:
    """Run O-Net on square boxes [N, 4]."""
    boxes, scores, offsets, relative = _judge(table, boxes, nets.onet, ONET_SIZE, settings.thresholds[2])
    points = _place(relative, boxes)
    boxes = regress(boxes, offsets, pixel=1.0)
    kept = suppress(boxes, scores, SUPPRESS, over="smaller")
    faces = [
        Face(
            box=cast(Box, tuple(boxes[index].tolist())),
            score=float(scores[index]),
            landmarks=cast(Landmarks, tuple((x, y) for x, y in points[index].tolist())),
        )
        for index in kept
    ]
    return sorted(faces, key=lambda face: -face.area)


def _judge(table: AreaTable, boxes: Boxes, net: Net, size: int, threshold: float) -> tuple[Boxes, Scores, Array, Array]:
    """Return those of the boxes [N, 4] above `threshold`: boxes, scores, offsets [M, 4], landmarks [M, 0 or 10]."""
    inside = windows(boxes, table.height, table.width)
    there = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
    boxes, inside = boxes[there], inside[there]
    answers = [net(part) for part in _portions(table, inside, size)]
    if not answers:
        return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32)
    answer = {name: np.concatenate([part[name] for part in answers]) for name in answers[0]}
    scores = answer["probabilities"][:, 1].astype(np.float64)
    kept: npt.NDArray[np.intp] = np.nonzero(scores > threshold)[0]
    landmarks = answer.get("landmarks", np.zeros((len(scores), 0), np.float32))
    return boxes[kept], scores[kept], answer["boxes"][kept], landmarks[kept]


def _portions(table: AreaTable, inside: npt.NDArray[np.int64], size: int) -> Iterator[Array]:
    for start in range(0, len(inside), PORTION):
        part = inside[start : start + PORTION].tolist()
        yield np.stack([table.resize((x1, y1, x2, y2), size, size) for x1, y1, x2, y2 in part])


def _place(relative: Array, boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return O-Net's landmarks [N, 10], relative to its boxes [N, 4], as points [N, 5, 2] in the photo."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    points = np.stack([relative[:, :5], relative[:, 5:]], axis=2).astype(np.float64)
    placed: npt.NDArray[np.float64] = points * size[:, None, :] + boxes[:, None, :2] - 1
    return placed
