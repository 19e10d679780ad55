"""This module does temperature scaling, which calibrates the confidence by one number (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fer_export.contract import Calibration, Contract, Metric
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.data import copies
from training.data.faces import Faces
from training.measure import evaluation
from training.measure.figures import calibration as bins_of
from training.provenance import metrics_of

#: The range in which the temperature is searched.
LOWEST, HIGHEST = 0.05, 20.0
FOLDS = 5


def fit_temperature(logits: Tensor, classes: Tensor) -> float:
    """Find the temperature with the smallest negative log-likelihood, between `LOWEST` and `HIGHEST`.

    The search is by golden section on the temperature's logarithm, where the likelihood has one peak.

    Args:
        logits: float [N, classes].
        classes: int64 [N].
    """
    rows = logits.double()

    def cost(log: float) -> float:
        return torch.nn.functional.cross_entropy(rows / math.exp(log), classes).item()

    ratio = (math.sqrt(5) - 1) / 2
    low, high = math.log(LOWEST), math.log(HIGHEST)
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return math.exp((low + high) / 2)


def calibrate(
    checkpoint: Checkpoint,
    faces: Faces,
    *,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    device: str = "cpu",
) -> Checkpoint:
    """Return the checkpoint with a temperature fitted on labelled rows, and its metrics on them.

    The calibration error after scaling is cross-fitted: the rows are divided into `FOLDS` parts, exact copies into
    the same one, and each part is measured at the temperature that the other parts give.

    Args:
        checkpoint: the checkpoint; a temperature that it already has is dropped.
        faces: rows with its labels; never those it was trained on.
        seed: seed of the division into parts.
        progress: called with the number of pictures that were just done.
        device: device that the net runs on, as in `training.device.device_named`.

    Raises:
        InvalidInputError: `faces` has other labels, or too few rows.
    """
    plain = Checkpoint(checkpoint.contract.but(calibration=None), checkpoint.state)
    measured = evaluation.evaluate(plain, faces, progress=progress, device=device)
    if measured.samples < 10 * FOLDS:
        raise InvalidInputError(f"{measured.samples} labelled rows are too few for a temperature")
    logits = measured.probabilities.double().clamp_min(1e-300).log()
    classes = measured.classes
    parts = _parts(faces.labelled(), seed)
    scaled = torch.empty_like(logits)
    for part in range(FOLDS):
        held = parts == part
        scaled[held] = (logits[held] / fit_temperature(logits[~held], classes[~held])).softmax(1)
    return Checkpoint(
        plain.contract.but(
            metrics=_metrics(plain.contract, measured),
            calibration=Calibration(
                temperature=round(fit_temperature(logits, classes), 4),
                ece_before=round(measured.ece, 5),
                ece_after=round(bins_of(scaled, classes).ece, 5),
                split=measured.split,
                protocol=measured.protocol,
                samples=measured.samples,
            ),
        ),
        checkpoint.state,
    )


def _parts(faces: Faces, seed: int) -> Tensor:
    """Divide the rows into parts: int64 [N], the part of each row."""
    parts = np.random.default_rng(seed).permutation(len(faces)) % FOLDS
    for group in copies.exact_groups(faces):
        parts[group] = parts[group[0]]
    return torch.from_numpy(parts)


def _metrics(contract: Contract, measured: evaluation.Evaluation) -> tuple[Metric, ...]:
    """Return the contract's metrics, those of these rows replaced; a temperature changes neither accuracy nor F1."""
    rows = (measured.split, measured.protocol)
    others = [each for each in contract.metrics if (each.split, each.protocol) != rows]
    figures = {"accuracy": measured.accuracy, "macro_f1": measured.macro_f1}
    return (*metrics_of(figures, *rows, measured.samples), *others)
