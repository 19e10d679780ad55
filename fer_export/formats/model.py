"""This module reads a model from any artefact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.contract import Contract
from fer_export.errors import UsageError
from fer_export.formats.artefact import Kind, read_contract
from fer_export.formats.artefact import kind as kind_of
from fer_export.formats.packaged import named

if TYPE_CHECKING:
    from torch import nn

    from fer_export.formats.checkpoint import Checkpoint
    from fer_export.models.cost import Cost


@dataclass(frozen=True)
class Model:
    """Hold an artefact that was read and checked against its contract.

    Attributes:
        path: the path that it was read from.
        kind: `torch` (a checkpoint), `onnx`, `tfjs`, `saved_model`, `frozen` or `litert`.
        contract: the artefact's contract.
        checkpoint: the weights and contract of a checkpoint; None for other kinds.
        net: a net of the checkpoint's architecture, given where that is code outside this project.
    """

    path: Path
    kind: Kind
    contract: Contract
    checkpoint: Checkpoint | None = None
    net: nn.Module | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels of the classes, in the order of the outputs; empty where the net is no classifier."""
        return self.contract.labels

    @property
    def cost(self) -> Cost | None:
        """Return parameters and multiply-accumulates of one picture; None where the architecture is not known."""
        from fer_export.models import cost

        return cost.of(self.contract)

    @cached_property
    def module(self) -> nn.Module:
        """Return the net in torch, in eval mode.

        It maps the pictures [N, C, H, W], 0–255, of each input to the outputs in order.

        Raises:
            UsageError: the artefact is not a checkpoint.
            InvalidInputError: the net is code outside this project and was not given, or the weights do not fit it.
        """
        if self.checkpoint is None:
            raise UsageError(f"{self.path} is no checkpoint: only those can be computed with torch")
        return self.checkpoint.module(self.net)


#: A model's path, a packaged model's name, or what `load` has returned.
Source = str | PathLike[str] | Model


def load(path: str | PathLike[str], kind: Kind | None = None) -> Model:
    """Read any artefact: checkpoint, ONNX file, TF.js folder, SavedModel, frozen graph, `.tflite`.

    Args:
        path: the artefact's path, or the name of a packaged model: `ferplus` or `fer2013`.
        kind: which kind of artefact it has to be; None to go by what is there.

    Raises:
        InvalidInputError: the file is missing, damaged, unsafe or of another kind.
        ContractError: it has no contract, or one that was written for another graph or other weights.
    """
    found = named(fspath(path))
    which = kind or kind_of(found)
    if which != "torch":
        return Model(found, which, read_contract(found, which))
    from fer_export.formats import checkpoint

    loaded = checkpoint.load_checkpoint(found)
    return Model(found, which, loaded.contract, loaded)


def as_model(source: Source) -> Model:
    """Return a model as it is, or load it; the errors are those of `load`."""
    return source if isinstance(source, Model) else load(source)
