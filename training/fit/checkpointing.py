"""This module has the callbacks that write what a run leaves: checkpoints with their contract, and the history."""

from __future__ import annotations

import csv
import pickle
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from safetensors.torch import save_file
from torch import Tensor

from fer_export.errors import InvalidInputError, first_line
from fer_export.files import replacing
from fer_export.formats.checkpoint import DAMAGED, Checkpoint, save, weights_sha256
from training.data.sources import Split
from training.fit.multi_head import Head, cut
from training.provenance import contract_for, metrics_of
from training.recipe import Recipe

ENDINGS = (".safetensors", ".pth")
COLUMNS = ("epoch", "stage", "loss", "val_loss", "accuracy", "macro_f1", "learning_rate", "seconds")
#: Prefix of the whole net's files, where there are two heads.
WHOLE = "net-"


class CheckpointWriter(Callback):
    """Write `last.*` after each epoch and `best.*` when the check is the best so far.

    The files of a second head go into a folder of its own. This callback must stand before the weight averaging in
    the list, so that it sees the averaged weights.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, split: Split, heads: tuple[Head, ...], *, note: str, synthetic: bool
    ) -> None:
        self.folder, self.recipe, self.split, self.heads, self.note = folder, recipe, split, heads, note
        self.synthetic = synthetic
        self.best = dict.fromkeys((head.name for head in heads), float("-inf"))
        self.state: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know: the best score of each head."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best scores from the state of the run that is resumed."""
        self.best = state_dict["best"]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights while the averaged ones are in place."""
        net = pl_module.net
        assert isinstance(net, torch.nn.Module)
        self.state = {name: value.detach().clone().contiguous() for name, value in net.state_dict().items()}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoints, now that the metrics of this check are known."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for head in self.heads:
            # A stage that learns embeddings has no accuracy yet.
            score = figures.get(f"{head.prefix}accuracy", -figures["val_loss"])
            better = score > self.best[head.name]
            self.best[head.name] = max(self.best[head.name], score)
            if not trainer.is_global_zero:
                continue
            checkpoint = self._checkpoint(head, metrics_by_head(figures, head), trainer.current_epoch + 1)
            written = ("last", "best") if better else ("last",)
            for name in written:
                for ending in ENDINGS:
                    save(checkpoint, self.folder / head.place / f"{name}{ending}")
                if len(self.heads) > 1 and not head.start:
                    with replacing(self.folder / f"{WHOLE}{name}.safetensors") as temporary:
                        save_file(self.state, temporary)

    def _checkpoint(self, head: Head, figures: dict[str, float], epoch: int) -> Checkpoint:
        note = f"{self.note}epoch {epoch}"
        return head_checkpoint(
            self.recipe, self.split, self.heads, head, self.state, figures, note=note, synthetic=self.synthetic
        )


def head_checkpoint(
    recipe: Recipe,
    split: Split,
    heads: tuple[Head, ...],
    head: Head,
    state: dict[str, Tensor],
    figures: Mapping[str, float],
    *,
    note: str,
    synthetic: bool,
) -> Checkpoint:
    """Return the checkpoint of one head of a trained net.

    Args:
        recipe, split: what it was trained by and on.
        heads, head: all heads of the net, and the one that the checkpoint is of.
        state: state dict of the net with all heads.
        figures: metrics of the head on the checked rows, by name.
        note: text about the weights, for the contract.
        synthetic: whether the net was only ever trained on drawn faces.
    """
    if len(heads) > 1:
        state = cut(recipe.architecture, recipe.arguments, state, head, width=heads[-1].stop)
    if head.start:
        split = replace(split, train=split.train.by_other(), check=split.check.by_other().labelled())
    contract = contract_for(recipe, split, note=note, synthetic=synthetic)
    training = contract.training
    assert training is not None
    other = f"; beside {heads[1 - heads.index(head)].name}" if len(heads) > 1 else ""
    labelled = int((split.check.classes >= 0).sum())
    return Checkpoint(
        contract.but(
            weights_sha256=weights_sha256(state),
            metrics=metrics_of(figures, split.name, split.check.protocol, labelled),
            training=training.model_copy(update={"protocol": training.protocol + other}),
        ),
        state,
    )


def metrics_by_head(figures: Mapping[str, float], head: Head) -> dict[str, float]:
    """Return accuracy and macro-F1 of a head from figures that have its name before theirs, where they are there."""
    names = [name for name in ("accuracy", "macro_f1") if head.prefix + name in figures]
    return {name: figures[head.prefix + name] for name in names}


class History(Callback):
    """Write one row of `metrics.csv` for each epoch, over all stages; a resumed run appends.

    Args:
        path: the file.
        stage: name of the stage, for its column.
        prefix: prefix of the head's metrics in the log.
    """

    def __init__(self, path: Path, stage: str, prefix: str = "") -> None:
        self.path, self.stage, self.prefix = path, stage, prefix
        self.began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove epochs that will be run again because the run was stopped before their state was written."""
        if not trainer.is_global_zero or not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8") as text:
            rows = list(csv.DictReader(text))
        kept = [row for row in rows if row["stage"] != self.stage or int(row["epoch"]) <= trainer.current_epoch]
        if len(kept) < len(rows):
            with replacing(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as text:
                writer = csv.DictWriter(text, COLUMNS)
                writer.writeheader()
                writer.writerows(kept)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the row, now that training and check of this epoch are done."""
        if not trainer.is_global_zero:
            return
        figures = {name: f"{float(value):.6g}" for name, value in trainer.callback_metrics.items()}
        own = {name: figures[self.prefix + name] for name in ("accuracy", "macro_f1") if self.prefix + name in figures}
        row = {
            **figures,
            **own,
            "epoch": trainer.current_epoch + 1,
            "stage": self.stage,
            "loss": figures.get("loss_epoch", ""),
            "learning_rate": f"{max(group['lr'] for group in trainer.optimizers[0].param_groups):.6g}",
            "seconds": f"{time.monotonic() - self.began:.1f}",
        }
        fresh = not self.path.is_file()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as text:
            writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", restval="")
            if fresh:
                writer.writeheader()
            writer.writerow(row)


class ResumeState(LightningCheckpoint):
    """Write what a resumed run needs after each epoch, and never leave a half-written file.

    Lightning's own ModelCheckpoint writes in place, and once more at the end, when the averaged weights have
    already replaced the current ones.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the state. Lightning calls this last of all callbacks, in every process."""
        temporary = self.path.with_name(f".{self.path.name}.new")
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(self.path)


def epoch_of(path: Path) -> int:
    """Return the epoch, from 0, after which the state of a run was written.

    The state holds tensors, numbers and names only. A file with anything else is not opened, since loading it could
    run code.

    Raises:
        InvalidInputError: the file is damaged, unsafe, or not the state of a run.
    """
    try:
        with warnings.catch_warnings():
            # torch warns of what it is about to refuse.
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return int(state["epoch"])
    except pickle.UnpicklingError as error:
        raise InvalidInputError(
            f"{path} is damaged or holds more than the state of a run, and is not opened: loading it could run code",
            hint="start again without --resume and with another -o",
        ) from error
    except DAMAGED as error:
        raise InvalidInputError(
            f"{path} is not the state of a run: {first_line(error)}",
            hint="start again without --resume and with another -o",
        ) from error
