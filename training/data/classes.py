"""This module merges classes, and computes weights that make up for rare ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fer_export.errors import InvalidInputError
from training.data.faces import Faces


def merge(faces: Faces, groups: Mapping[str, Sequence[str]]) -> Faces:
    """Merge several classes into one: `merge(faces, {"angry": ["angry", "disgust"]})`.

    A merged label stands where the first of its classes stood. Targets of merged classes are summed, so a
    distribution of votes stays one.

    Args:
        faces: labelled pictures.
        groups: new name → the classes that it replaces.

    Raises:
        InvalidInputError: a class does not exist or is named twice, or another class already has the new name.
    """
    known = ", ".join(faces.labels)
    renamed: dict[str, str] = {}
    for new, olds in groups.items():
        for old in olds:
            if old not in faces.labels:
                raise InvalidInputError(f"cannot merge {old!r}: no such class", hint=f"there is: {known}")
            if old in renamed:
                raise InvalidInputError(f"cannot merge {old!r} twice: into {renamed[old]} and into {new}")
            renamed[old] = new
    for new in groups:
        if new in faces.labels and new not in renamed:
            raise InvalidInputError(
                f"cannot merge into {new!r}: a class of that name stays", hint=f"list {new} among those merged, too"
            )
    named = [renamed.get(label, label) for label in faces.labels]
    labels = tuple(dict.fromkeys(named))
    columns = torch.tensor([labels.index(name) for name in named])
    targets = faces.targets.new_zeros(len(faces), len(labels)).index_add_(1, columns, faces.targets)
    merged = ", ".join(f"{' + '.join(olds)} as {new}" for new, olds in groups.items())
    return replace(faces, labels=labels, targets=targets, protocol=f"{faces.protocol}; {merged}")


def class_weights(targets: Tensor, labels: Sequence[str] | None = None) -> Tensor:
    """Compute weights for a loss, the inverse frequency of each class: float32 [classes], mean 1.

    Args:
        targets: float32 [N, classes], one-hot or distributions; the sum of a class's targets counts as its rows.
        labels: names, for the error.

    Raises:
        InvalidInputError: a class has no row.
    """
    counts = targets.sum(0, dtype=torch.float64)
    empty = [labels[index] if labels else f"class {index}" for index in (counts == 0).nonzero()[:, 0].tolist()]
    if empty:
        raise InvalidInputError(
            f"no row is labelled {', '.join(empty)}: such a class has no weight",
            hint="merge it with another class, or train without weights",
        )
    weights = 1 / counts
    return (weights / weights.mean()).float()


def row_weights(targets: Tensor, labels: Sequence[str] | None = None) -> Tensor:
    """Compute weights for a sampler that draws every class equally often: float32 [N]; 0 for a row without label.

    Args:
        targets: float32 [N, classes].
        labels: names, for the error.

    Raises:
        InvalidInputError: a class has no row.
    """
    return targets @ class_weights(targets, labels)
