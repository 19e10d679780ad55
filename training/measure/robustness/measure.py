"""This module evaluates a checkpoint on clean and on changed pictures of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from fer_export.formats.checkpoint import Checkpoint
from training.data.faces import Faces
from training.measure.evaluation import Evaluation, Progress, evaluate, predict
from training.measure.robustness.conditions import CONDITIONS, Condition, apply
from training.measure.robustness.lost import Lost, lost


@dataclass(frozen=True)
class Measured:
    """Hold one condition and the accuracy it costs, averaged over its changes."""

    condition: Condition
    lost: Lost


@dataclass(frozen=True, eq=False)
class Robustness:
    """Hold a checkpoint's accuracy on clean and on changed pictures.

    Attributes:
        clean: evaluation of the pictures as they are.
        rows: one record for each condition.
        seed: seed of the noise.
    """

    clean: Evaluation
    rows: tuple[Measured, ...]
    seed: int

    @property
    def mean(self) -> float:
        """Return the percentage points lost, the mean over the conditions."""
        return sum(row.lost.points for row in self.rows) / len(self.rows)

    def record(self) -> dict[str, Any]:
        """Return the result for JSON: accuracies 0–1, losses in percentage points, `bound` half their 95 % interval."""
        return {
            "data": self.clean.data,
            "split": self.clean.split,
            "protocol": self.clean.protocol,
            "samples": self.clean.samples,
            "seed": self.seed,
            "clean_accuracy": self.clean.accuracy,
            "mean_points_lost": self.mean,
            "conditions": [
                {"group": row.condition.group, "amount": row.condition.amount, **asdict(row.lost)} for row in self.rows
            ],
        }


def passes(conditions: Sequence[Condition] = CONDITIONS) -> int:
    """Return how often every picture is shown to the net."""
    return 1 + sum(len(condition.changes) for condition in conditions)


def measure_robustness(
    checkpoint: Checkpoint,
    faces: Faces,
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Measure what each condition costs on the labelled rows of `faces`.

    Args:
        checkpoint: a checkpoint with the labels of `faces` in the same order.
        faces: uint8 pictures; rows without a label are left out.
        conditions: at least one.
        seed: seed of the noise.
        progress: called with the number of pictures that were just done, `passes` times for each.

    Raises:
        InvalidInputError: as for `evaluate`.
    """
    rows = faces.labelled()
    clean = evaluate(checkpoint, rows, progress=progress)
    right = clean.probabilities.argmax(1) == clean.classes
    measured = []
    for condition in conditions:
        answers = [
            predict(checkpoint, apply(change, rows.pixels, seed), progress=progress).argmax(1) == clean.classes
            for change in condition.changes
        ]
        measured.append(Measured(condition, lost(right, torch.stack(answers).double().mean(0))))
    return Robustness(clean, tuple(measured), seed)
