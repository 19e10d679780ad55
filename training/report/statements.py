"""This module states what a reader must know before quoting a metric, a sentence for each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_export.contract import Contract
from training.data.faces import ALL, PRIVATE, TRAINING

if TYPE_CHECKING:
    from training.measure.evaluation import Evaluation


def statements(contract: Contract, evaluation: Evaluation, seen: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return all sentences: the rows, what chose the epoch, looks at PrivateTest, and what the ± means.

    Args:
        contract: contract of the checkpoint.
        evaluation: what was measured.
        seen: the ledger of looks.
    """
    said = [
        f"Measured on {evaluation.samples:,} labelled rows of {evaluation.split}, {evaluation.data}; "
        f"labels by this protocol: {evaluation.protocol}. One view, no augmentation, float32.",
        chosen_by(contract, evaluation),
        looked_at(contract, seen),
    ]
    if contract.training:
        said.append(
            f"One seed ({contract.training.seed}), so no deviation between trainings can be given. The ± beside the "
            "accuracy is the binomial standard error over the rows: differences below about twice that mean nothing."
        )
    return said


def chosen_by(contract: Contract, evaluation: Evaluation) -> str:
    """Say which rows chose the epoch, and whether the measured ones are free of that choice.

    The metrics in a contract are those of the rows that chose the epoch (see `training/fit/checkpointing.py`). Data
    sets are told apart by their names.
    """
    choosing = sorted({metric.split for metric in contract.metrics})
    if not choosing or not contract.training:
        return "The checkpoint does not say which split chose the epoch."
    said, split = f"{' and '.join(choosing)} chose the epoch", evaluation.split
    trained = contract.training.data
    if _set_of(trained) != _set_of(evaluation.data):
        return f"{said} of a net trained on {trained}; these are pictures of another data set, {evaluation.data}."
    if split == TRAINING:
        return f"{said}. {TRAINING} rows were trained on: this figure says nothing about other pictures."
    if split == ALL:
        return (
            f"{said}. The net was trained on a data set of the same name, {trained}: if it is the same one, most of "
            "these rows were trained on, and this figure says nothing about other pictures."
        )
    if split in choosing:
        return f"{said}: these are the same rows, so the figure flatters a little."
    if any(split in name for name in choosing):
        return f"{said}: most rows of {split} were trained on, so this figure says nothing about other pictures."
    return f"{said}; these are other rows."


def _set_of(name: str) -> str:
    """Return the pictures that a data set's name stands for; those of FER2013 have two sets of labels."""
    return "FER2013" if name.startswith("FER2013") else name


def looked_at(contract: Contract, seen: Sequence[Mapping[str, Any]]) -> str:
    """Say how often PrivateTest was looked at with the checkpoints of this folder, and with these weights."""
    count = len(seen)
    own = sum(look["weights_sha256"] == contract.weights_sha256 for look in seen)
    of_which = f", {own} of them with these weights" if count else ""
    return f"{PRIVATE} was looked at {count} time{'' if count == 1 else 's'}{of_which}."
