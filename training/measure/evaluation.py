"""What a checkpoint answers and how right it is: float32, no augmentation, several views kept apart."""

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
#: How far a shifted view goes: share of the side, and share of the size.
SHIFT, ZOOM = 0.04, 0.06
_BATCH = 256
#: Larger pictures go in smaller batches, so that activations stay in memory.
_BATCH_PIXELS = _BATCH * 64 * 64

Progress = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Evaluation(Figures):
    """The figures of the single view, and what they were measured on.

    Attributes:
        data, protocol: names as in the contract.
        split: the split of the rows; joined by " + " if there are several.
        samples: labelled rows, N.
        probabilities: float32 [N, classes] of the single view.
        classes: int64 [N], as labelled.
        views: how many views `tta` averages; 1 if there is none.
        tta: the figures of the averaged views. Never to be quoted as those of the single view.
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
        checkpoint: with the labels of `faces` in the same order.
        faces: of one split, as a rule; rows without a label are left out.
        views: with 2–10 the averaged views are measured too, apart.
        progress: called with the number of pictures that were just done, `views` times for each.
        device: what the net runs on, as in `training.device.device_named`; in float32 anywhere.

    Raises:
        InvalidInputError: other labels, no labelled row, pictures that do not fit, or answers that are not numbers.
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
    """What a checkpoint says of pictures: uint8 [N, C, H, W] → probabilities, float32 [N, classes].

    With several views their probabilities are averaged: the picture itself, its mirror, then small shifts with a
    change of size, each plain and mirrored, the same in every call.

    Args:
        checkpoint: any size of input, see `fitted`.
        pixels: as they are, 0–255.
        views: 1–10.
        progress: called with the number of pictures that were just done, `views` times for each.

    Raises:
        InvalidInputError: gray for a colour net or the reverse, or another number of views.
    """
    return _by_view(checkpoint, pixels, views, progress).mean(0)


def fitted(pixels: Tensor, contract: Contract) -> Tensor:
    """Pictures on the contract's grid: uint8 [N, C, H, W] → float32 [N, C, height, width], 0–255.

    Another size is resampled: bilinear, pixel centres at half (align_corners=False), low-passed when it shrinks
    (antialias). A contract of free size takes the pictures as they are.

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
    """One view of pictures: float32 [N, C, H, W] → the same shape.

    View 0 is the picture, 1 its mirror; 2 and 3 are one shift of it plain and mirrored, and so on. A shift goes up to
    4 % of the side, a change of size up to 6 %, drawn from a seed that is the pair's number; the border is repeated.
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
    """Probabilities, float32 [views, N, classes]."""
    if not 1 <= views <= MOST_VIEWS:
        raise InvalidInputError(f"{views} views: 1 to {MOST_VIEWS} can be averaged")
    # Convolutions on a CPU are faster this way, by two thirds for fernet; the answers differ by rounding only.
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
