"""Evaluation and the report: figures by the definitions they state, views kept apart, looks counted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import make_checkpoint, present
from PIL import Image
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from fer_export import checkpoint as checkpoints
from fer_export.checkpoint import Checkpoint, weights_sha256
from fer_export.contract import Metric, Training
from fer_export.errors import InvalidInputError
from training import looks, report
from training.data import drawn
from training.data.faces import PRIVATE, PUBLIC, Faces
from training.evaluation import Evaluation, evaluate, fitted, predict, view
from training.report import figures, history, mistakes, statements, text

Call = Callable[..., tuple[int, str, str]]


def relabelled(loaded: Checkpoint, labels: tuple[str, ...], **changes: object) -> Checkpoint:
    """The checkpoint with other names for its classes."""
    outputs = tuple(output.model_copy(update={"shape": (len(labels),)}) for output in loaded.contract.outputs)
    return Checkpoint(loaded.contract.but(labels=labels, outputs=outputs, **changes), loaded.state)


@pytest.fixture(scope="module")
def net() -> Checkpoint:
    """A small net for drawn faces, with what a trained one says about itself."""
    training = Training(data="drawn faces", protocol="drawn labels", recipe="<b>drawn</b>", seed=3, epochs=2)
    metric = Metric(name="accuracy", value=0.2, split=PUBLIC, protocol="drawn labels", samples=60)
    made = make_checkpoint(widths=(8, 16, 24), num_classes=len(drawn.LABELS)) if False else _net()
    return relabelled(made, drawn.LABELS, training=training, metrics=(metric,))


def _net() -> Checkpoint:
    made = make_checkpoint(widths=(8, 16, 24))
    contract = made.contract
    arguments = {**contract.architecture.arguments, "num_classes": len(drawn.LABELS)}
    outputs = tuple(output.model_copy(update={"shape": (len(drawn.LABELS),)}) for output in contract.outputs)
    architecture = contract.architecture.model_copy(update={"arguments": arguments})
    state = {name: value[: len(drawn.LABELS)] if value.shape[:1] == (8,) else value for name, value in ()}
    from fer_export import models

    torch.manual_seed(1)
    state = models.build(architecture.name, **arguments).state_dict()
    return Checkpoint(
        contract.but(
            architecture=architecture, labels=drawn.LABELS, outputs=outputs, weights_sha256=weights_sha256(state)
        ),
        state,
    )
