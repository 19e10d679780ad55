"""This module prepares what is timed: a net's checkpoint, its pictures, and its artefacts in a temporary folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from fer_export import models
from fer_export.contract import Architecture, Contract, Normalization, Output, PictureInput
from fer_export.convert import onnx, tfjs
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import write_tfjs
from fer_export.parity.samples import VARIANTS, samples_for
from fer_export.runtimes import Inputs, single
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph import convert

YARDSTICK = "plain_cnn"


@dataclass(frozen=True)
class Net:
    """Hold a net and the name to show for it."""

    name: str
    checkpoint: Checkpoint

    def pictures(self, batch: int) -> Inputs:
        """Return the packaged portrait, turned, scaled and lit: uint8 [batch, H, W, C] at the net's size."""
        faces = samples_for(self.checkpoint.contract)[0].single[: len(VARIANTS)]
        return single(self.checkpoint.contract, np.resize(faces, (batch, *faces.shape[1:])))


@dataclass(frozen=True)
class Artefacts:
    """Hold a net's files, as far as they were asked for.

    Attributes:
        onnx: the ONNX file.
        tfjs: the folder of the TF.js model, float32.
        weights: the bytes of the TF.js weight files, `float32` and `float16`.
    """

    onnx: Path | None = None
    tfjs: Path | None = None
    weights: dict[str, int] = field(default_factory=dict)


def yardstick(num_classes: int = 8) -> Net:
    """Return `plain_cnn` with random weights, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = models.build(YARDSTICK, num_classes=num_classes).state_dict()
    contract = Contract(
        architecture=Architecture(name=YARDSTICK, arguments={"num_classes": num_classes}),
        labels=tuple(f"class {index}" for index in range(num_classes)),
        inputs=(
            PictureInput(
                height=48, width=48, channels=1, color="gray", normalization=Normalization(mean=(127.5,), std=(64.0,))
            ),
        ),
        outputs=tuple(Output(name=name, shape=(num_classes,), meaning="none") for name in ("probabilities", "logits")),
        license="MIT",
        weights_sha256=weights_sha256(state),
    )
    return Net(YARDSTICK, Checkpoint(contract, state))


def reference(against: str) -> Net | None:
    """Return the net to time beside the model: `plain_cnn`, `none`, or the path of a checkpoint.

    Raises:
        InvalidInputError: it is none of these, or the checkpoint is not valid.
    """
    if against == "none":
        return None
    if against == YARDSTICK:
        return yardstick()
    if not Path(against).is_file():
        raise InvalidInputError(
            f"nothing to time against: no file {against}", hint=f"--against {YARDSTICK}, none, or a checkpoint's path"
        )
    loaded = checkpoint.load_checkpoint(Path(against))
    return Net(loaded.contract.architecture.name, loaded)


def build(net: Net, folder: Path, kinds: Sequence[str], browser: Browser, backends: Sequence[str]) -> Artefacts:
    """Write what the runtimes in `kinds` need, with the exporters and their parity checks.

    Raises:
        ParityError, InvalidInputError: the same as for the exporters.
    """
    if not {"onnxruntime", "tfjs"} & set(kinds):
        return Artefacts()
    loaded = net.checkpoint
    path = onnx.export(loaded.module(), loaded.contract, folder / "net.onnx").path
    if "tfjs" not in kinds:
        return Artefacts(path)
    model, contract = load_onnx(path)
    written = tfjs.export(model, contract, folder / "float32", browser=browser, backends=backends)
    weights = {"float32": _weights(written.path)}
    small = folder / "float16"
    small.mkdir()
    # The float16 model is not timed, since TF.js unpacks it when it loads it. float16 cannot hold some weights.
    with suppress(InvalidInputError):
        write_tfjs(convert(model), contract.but(weights_dtype="float16"), small, "float16")
        weights["float16"] = _weights(small)
    return Artefacts(path, written.path, weights)


def _weights(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.bin"))
