"""This module writes what a run says about itself: its contract, and the machine it ran on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fer_export import __version__
from fer_export.contract import (
    Architecture,
    Contract,
    Metric,
    Normalization,
    Output,
    PictureInput,
    Training,
)
from fer_export.files import replacing
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from training.data.pictures import crop_rule
from training.data.sources import Split
from training.recipe import Recipe

_PACKAGES = ("torch", "torchvision", "lightning", "numpy", "facenet-pytorch")


def contract_for(recipe: Recipe, split: Split, *, note: str = "", synthetic: bool) -> Contract:
    """Return the contract of a net that is about to be trained; hash and metrics are filled in later.

    Args:
        recipe: recipe of the run.
        split: data of the stage.
        note: text about the weights that it starts from; each sentence ends in "; ".
        synthetic: whether the net was only ever trained on drawn faces, see `only_drawn`.
    """
    labels = split.train.labels
    trying_out = "for trying out, knows no real face; " if synthetic else ""
    said = "".join(f"{sentence}; " for sentence in split.notes)
    return Contract(
        architecture=architecture_of(recipe, len(labels)),
        labels=labels,
        inputs=(
            PictureInput(
                height=recipe.size,
                width=recipe.size,
                channels=1,
                color="gray",
                normalization=Normalization(mean=(recipe.mean,), std=(recipe.std,)),
            ),
        ),
        crop=crop_rule(recipe.size),
        outputs=(
            Output(name="probabilities", shape=(len(labels),), meaning="softmax of the logits, by label"),
            Output(name="logits", shape=(len(labels),), meaning="before softmax, by label"),
        ),
        training=Training(
            data=split.train.name,
            protocol=f"trained on {split.train.protocol}; checked by {split.check.protocol}",
            recipe=recipe.name,
            seed=recipe.seed,
            epochs=sum(stage.epochs for stage in recipe.stages),
            note=trying_out + said + note,
            synthetic=synthetic,
        ),
        license="MIT" if synthetic else "MIT (weights; the pictures they were trained on have terms of their own)",
        weights_sha256="0" * 64,
        tools={"torch": torch.__version__.partition("+")[0], "fer-export": __version__},
    )


def only_drawn(recipe: Recipe, stage: int, init: Sequence[Checkpoint]) -> bool:
    """Return whether a net was only ever trained on faces that a program drew.

    Args:
        recipe: recipe of the run.
        stage: index of the stage that trains it; the stages before count too.
        init: the checkpoints that the run started from.
    """
    kinds = {recipe.data_of(each).kind for each in recipe.stages[: stage + 1]}
    before = all(one.contract.training is not None and one.contract.training.synthetic for one in init)
    return kinds == {"drawn"} and before


def architecture_of(recipe: Recipe, classes: int) -> Architecture:
    """Return the recipe's architecture with this number of classes."""
    return Architecture(name=recipe.architecture, arguments={**recipe.arguments, "num_classes": classes})


def started_from(before: Checkpoint) -> str:
    """Return a sentence about the weights that training starts from, for the contract's note."""
    training = before.contract.training
    if training is None:
        return ""
    weights = before.contract.weights_sha256[:12]
    return f"started from recipe {training.recipe}, seed {training.seed}, {training.note} (weights {weights}…); "


def metrics_of(figures: Mapping[str, float], split: str, protocol: str, samples: int) -> tuple[Metric, ...]:
    """Turn values by name into the contract's metrics, with split, protocol and number of rows."""
    return tuple(
        Metric(name=name, value=round(value, 5), split=split, protocol=protocol, samples=samples)
        for name, value in figures.items()
    )


def remade(
    before: Checkpoint,
    state: Mapping[str, Tensor],
    note: Callable[[str], str],
    *,
    architecture: Architecture | None = None,
) -> Checkpoint:
    """Return a checkpoint of weights that were made from another one's, without what was measured on those.

    Args:
        before: the other checkpoint; its contract is taken over, except for what is given here.
        state: the new weights.
        note: makes the note on the new weights from that on the old ones.
        architecture: the new architecture; None where it is the same.
    """
    old = before.contract
    contract = old.but(
        architecture=architecture or old.architecture,
        training=old.training and old.training.model_copy(update={"note": note(old.training.note)}),
        weights_sha256=weights_sha256(dict(state)), metrics=(), calibration=None, parity=(), golden=(),
    )  # fmt: skip
    return Checkpoint(contract, dict(state))


def environment() -> dict[str, Any]:
    """Return command, versions, machine and commit; None for a package that is not installed."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def write_environment(path: Path) -> None:
    """Write versions, machine and commit as JSON, for the report and for anyone who repeats the run."""
    values = environment()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the checkout's commit, with a plus if it has local changes; None outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
