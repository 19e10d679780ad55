"""This module evaluates a checkpoint in float32 and without augmentation; averaged views are reported apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.data.faces import Faces
from training.device import device_named
from training.measure.figures import Figures, figures_of

MOST_VIEWS = 10
#: The largest shift of a view as a share of the side, and its largest change of size.
SHIFT, ZOOM = 0.04, 0.06
_BATCH = 256
#: The most pixels in a batch; larger pictures come in smaller batches, so that activations fit into memory.
_BATCH_PIXELS = _BATCH * 64 * 64

Progress = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Evaluation(Figures):
    """Hold the metrics of the single view, and what they were measured on.

    Attributes:
        data, protocol: names as in the contract.
        split: the split of the rows; several are joined by " + ".
        samples: labelled rows, N.
        probabilities: float32 [N, classes] of the single view.
        classes: int64 [N], as labelled.
        views: how many views `tta` averages; 1 if there is none.
        tta: metrics of the averaged views; None if there is one view. Never quote them as those of the single view.
    """

    data: str
    split: str
    protocol: str
    samples: int
    probabilities: Tensor
    classes: Tensor
    views: int = 1
    tta: Figures | None = None


def evaluate(
    checkpoint: Checkpoint, faces: Faces, *, views: int = 1, progress: Progress | None = None, device: str = "cpu"
) -> Evaluation:
    """Measure a checkpoint on the labelled rows of `faces`.

    Args:
        checkpoint: a checkpoint with the labels of `faces` in the same order.
        faces: rows, usually of one split; those without a label are left out.
        views: 1–10; above 1 the averaged views are measured too, apart.
        progress: called with the number of pictures that were just done, `views` times for each.
        device: device that the net runs on, as in `training.device.device_named`; always in float32.

    Raises:
        InvalidInputError: the labels differ, no row is labelled, the pictures do not fit, or an answer is not finite.
    """
    wanted = checkpoint.contract.labels
    if wanted != faces.labels:
        raise InvalidInputError(
            f"the checkpoint's labels are not those of {faces.name}: "
            f"{', '.join(wanted) or 'none'} against {', '.join(faces.labels)}",
            hint="evaluate on data with the checkpoint's labels in its order, see: fer-export info CHECKPOINT",
        )
    rows = faces.labelled()
    if not len(rows):
        raise InvalidInputError(f"{faces.name}: no row has a label, by {faces.protocol}")
    by_view = _by_view(checkpoint, rows.pixels, views, progress, device)
    broken = ~by_view.isfinite().all(2).all(0)
    if broken.any():
        first = rows.where[int(broken.nonzero()[0])]
        raise InvalidInputError(
            f"the net's answer is not a number for {int(broken.sum())} of {len(rows)} pictures, the first: {first}",
            hint="the weights have diverged; train with a smaller learning rate or clipping",
        )
    return Evaluation(
        **vars(figures_of(by_view[0], rows.targets, rows.labels)),
        data=rows.name,
        split=" + ".join(sorted(set(rows.split.tolist()))),
        protocol=rows.protocol,
        samples=len(rows),
        probabilities=by_view[0],
        classes=rows.classes,
        views=views,
        tta=figures_of(by_view.mean(0), rows.targets, rows.labels) if views > 1 else None,
    )


def predict(checkpoint: Checkpoint, pixels: Tensor, views: int = 1, progress: Progress | None = None) -> Tensor:
    """Return a checkpoint's probabilities, float32 [N, classes], for pictures, uint8 [N, C, H, W].

    The probabilities of several views are averaged: the picture itself, its mirror image, then small shifts with a
    change of size, each plain and mirrored, the same in every call.

    Args:
        checkpoint: a checkpoint of any input size, see `fitted`.
        pixels: pictures in 0–255, not normalised.
        views: 1–10.
        progress: called with the number of pictures that were just done, `views` times for each.

    Raises:
        InvalidInputError: the pictures are gray and the net takes colour, or the reverse; or `views` is out of range.
    """
    return _by_view(checkpoint, pixels, views, progress).mean(0)


def fitted(pixels: Tensor, contract: Contract) -> Tensor:
    """Resize pictures, uint8 [N, C, H, W], to the contract's size: float32 [N, C, height, width], 0–255.

    The resize is bilinear, with pixel centres at half (align_corners=False), and low-passed where it shrinks
    (antialias). For a contract of free size the pictures keep theirs.

    Raises:
        InvalidInputError: the channels are not the contract's.
    """
    spec = contract.picture
    if pixels.shape[1] != spec.channels:
        raise InvalidInputError(
            f"the pictures have {pixels.shape[1]} channel(s), the checkpoint takes {spec.channels} ({spec.color})",
            hint=f"load them as {spec.color}",
        )
    pixels = pixels.float()
    if spec.height is None or spec.width is None or pixels.shape[2:] == (spec.height, spec.width):
        return pixels
    size = (spec.height, spec.width)
    return functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)


def view(pixels: Tensor, number: int) -> Tensor:
    """Return one view of pictures, float32 [N, C, H, W], in the same shape.

    View 0 is the picture, 1 its mirror image; 2 and 3 are one shift of it plain and mirrored, and so on. A shift is up
    to 4 % of the side, a change of size up to 6 %, drawn with the pair's number as seed; the border is repeated.
    """
    if number % 2:
        pixels = pixels.flip(3)
    pair = number // 2
    if pair == 0:
        return pixels
    drawn = torch.rand(3, generator=torch.Generator().manual_seed(pair)) * 2 - 1
    zoom, x, y = (1 + drawn[0] * ZOOM).item(), (drawn[1] * 2 * SHIFT).item(), (drawn[2] * 2 * SHIFT).item()
    theta = torch.tensor([[zoom, 0.0, x], [0.0, zoom, y]]).expand(len(pixels), 2, 3)
    grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, "bilinear", "border", align_corners=False)


def _by_view(
    checkpoint: Checkpoint, pixels: Tensor, views: int, progress: Progress | None, device: str = "cpu"
) -> Tensor:
    """Compute the probabilities of each view: float32 [views, N, classes]."""
    if not 1 <= views <= MOST_VIEWS:
        raise InvalidInputError(f"{views} views: 1 to {MOST_VIEWS} can be averaged")
    # Convolutions on a CPU are faster in channels_last, by two thirds for fernet; answers differ by rounding only.
    place = device_named(device)
    module = checkpoint.module().to(place).to(memory_format=torch.channels_last)
    spec = checkpoint.contract.picture
    height, width = spec.height or pixels.shape[2], spec.width or pixels.shape[3]
    batch = min(_BATCH, max(1, _BATCH_PIXELS // (height * width)))
    parts: list[Tensor] = []
    with torch.inference_mode():
        for some in torch.split(pixels, batch):
            there = fitted(some.to(place), checkpoint.contract)
            answers: list[Tensor] = []
            for number in range(views):
                seen = view(there, number).contiguous(memory_format=torch.channels_last)
                answers.append(module(seen)[0])
                if progress:
                    progress(len(some))
            parts.append(torch.stack(answers).cpu())
        return torch.cat(parts, 1)
