"""This module measures what a deployed page's detection, alignment and crop cost, against the pictures themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from fer_export.errors import ContractError, InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.data import cascade_crops
from training.data.faces import Faces
from training.measure.evaluation import Evaluation, evaluate, predict
from training.measure.robustness.lost import Lost, lost


@dataclass(frozen=True, eq=False)
class Deployment:
    """Hold the answers for pictures and crops on the same rows: the n of N labelled ones where a face was found.

    Attributes:
        samples: N.
        found: bool [N], whether a face was found.
        rows: the n rows.
        landmarks: float32 [n, 5, 2], in pixels of the picture.
        crops: uint8 [n, 1, H, W], on the contract's grid.
        pictures: evaluation of the n pictures themselves, one view.
        answers: float32 [n, classes], probabilities for the crops.
        lost: accuracy that the crops lose against the pictures.
        agreement: share of the n rows where both give the same label, 0–1.
        unfound_accuracy: accuracy on the other N - n pictures themselves, 0–1; None if there are none.
    """

    samples: int
    found: Tensor
    rows: Faces
    landmarks: Tensor
    crops: Tensor
    pictures: Evaluation
    answers: Tensor
    lost: Lost
    agreement: float
    unfound_accuracy: float | None

    @property
    def share(self) -> float:
        """Return the share of the labelled rows where a face was found, 0–1."""
        return len(self.rows) / self.samples

    def record(self) -> dict[str, Any]:
        """Return the result for JSON: shares 0–1, losses in percentage points, `bound` half of their 95 % interval."""
        return {
            "data": self.pictures.data,
            "split": self.pictures.split,
            "protocol": self.pictures.protocol,
            "samples": self.samples,
            "padding": cascade_crops.PADDING,
            "enlargement": cascade_crops.ENLARGEMENT,
            "faces_found": len(self.rows),
            "share_found": self.share,
            "picture_accuracy": self.pictures.accuracy,
            "crop": asdict(self.lost),
            "agreement": self.agreement,
            "picture_accuracy_without_face": self.unfound_accuracy,
        }


def measure_deployment(
    checkpoint: Checkpoint, faces: Faces, *, progress: Callable[[int], object] | None = None
) -> Deployment:
    """Measure pictures and crops on the labelled rows of `faces`.

    Args:
        checkpoint: a checkpoint with the labels of `faces` in the same order and a crop rule in its contract.
        faces: gray pictures of 48×48.
        progress: called with the number of pictures whose landmarks were just found or read.

    Raises:
        ContractError: the contract has no crop rule, leaves the size free, or is for colour.
        InvalidInputError: as for `evaluate`; or the pictures are not 48×48, or no face is found in any of them.
    """
    spec, rule = checkpoint.contract.picture, checkpoint.contract.crop
    if rule is None or spec.height is None or spec.width is None:
        raise ContractError("the contract of this model says nothing about cropping faces")
    if spec.channels != 1:
        raise ContractError("this model takes colour, and the pictures are gray")
    every = faces.labelled()
    if not len(every):
        raise InvalidInputError(f"{faces.name}: no row has a label, by {faces.protocol}")
    points = cascade_crops.landmarks(every.pixels, progress=progress)
    found = points.isfinite().all(2).all(1)
    if not found.any():
        raise InvalidInputError(f"{faces.name}: not one face was found in {len(every)} pictures")
    rows, points = every.rows(found.numpy()), points[found]
    crops = cascade_crops.crops(rows.pixels, points, rule, (spec.height, spec.width))
    pictures = evaluate(checkpoint, rows)
    answers = predict(checkpoint, crops)
    said, right = answers.argmax(1), pictures.probabilities.argmax(1) == rows.classes
    unfound = every.rows((~found).numpy())
    return Deployment(
        samples=len(every),
        found=found,
        rows=rows,
        landmarks=points,
        crops=crops,
        pictures=pictures,
        answers=answers,
        lost=lost(right, said == rows.classes),
        agreement=(said == pictures.probabilities.argmax(1)).double().mean().item(),
        unfound_accuracy=evaluate(checkpoint, unfound).accuracy if len(unfound) else None,
    )


def disagreement(found: Deployment) -> Tensor:
    """Compute how far the two answers are apart, half the L1 distance of the probabilities: float32 [n], 0–1."""
    return (found.pictures.probabilities - found.answers).abs().sum(1) / 2
