"""One run: a recipe and data in, a folder with checkpoints that carry their contract out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from fer_export import __version__, models
from fer_export.checkpoint import Checkpoint, save, weights_sha256
from fer_export.contract import Architecture, Contract, Crop, Input, Metric, Normalization, Output, Training
from fer_export.errors import InvalidInputError
from fer_export.faces.align import TEMPLATE_48
from fer_export.models.classifier import Normalize
from training.data.sources import Source, load
from training.module import Fitting
from training.recipe import Recipe

#: Mean and deviation of FER2013's Training pixels.
NORMALIZATION = Normalization(mean=(129.4,), std=(65.0,))


class InMemory(Dataset[tuple[Tensor, ...]]):
    """Tensors of the same length; asked for whole batches of rows at a time."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, rows: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[rows] for tensor in self.tensors)


def batches(dataset: InMemory, size: int, *, shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
    """A loader that slices whole batches out of memory. Shuffled ones drop the odd rest."""
    sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
    return DataLoader(dataset, sampler=BatchSampler(sampler, size, drop_last=shuffle), batch_size=None)


class Keeper(Callback):
    """Writes `last.*` after each epoch and `best.*` when the accuracy is the best so far.

    Stands before the weight averaging in the list, so that it sees the averaged weights.
    """

    def __init__(self, folder: Path, contract: Contract, source: Source) -> None:
        self.folder, self.contract, self.source = folder, contract, source
        self.best = -1.0
        self.state: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The other way."""
        self.best = state_dict["best"]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights while the averaged ones are in place."""
        net = pl_module.net
        assert isinstance(net, torch.nn.Module)
        self.state = {name: value.detach().clone().contiguous() for name, value in net.state_dict().items()}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The figures are in: write."""
        if trainer.sanity_checking:
            return
        accuracy = float(trainer.callback_metrics["accuracy"])
        samples, split = len(self.source.check_labels), self.source.split
        protocol = self.source.protocol.rpartition("checked by ")[2]
        figures = {"accuracy": accuracy, "macro_f1": float(trainer.callback_metrics["macro_f1"])}
        training = self.contract.training
        assert training is not None
        contract = self.contract.but(
            weights_sha256=weights_sha256(self.state),
            metrics=tuple(
                Metric(name=name, value=round(value, 5), split=split, protocol=protocol, samples=samples)
                for name, value in figures.items()
            ),
            training=training.model_copy(update={"note": f"{training.note}epoch {trainer.current_epoch + 1}"}),
        )
        names = ["last"]
        if accuracy > self.best:
            self.best = accuracy
            names.append("best")
        for name in names:
            for ending in (".safetensors", ".pth"):
                save(Checkpoint(contract, self.state), self.folder / (name + ending))


def fit(
    recipe: Recipe,
    data: Path | None,
    folder: Path,
    *,
    resume: bool = False,
    init: Checkpoint | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Path:
    """Train by a recipe.

    Args:
        recipe: what to do.
        data: where FER2013 is, for recipes that need it.
        folder: for `best.*`, `last.*`, `metrics.csv` and Lightning's own state.
        resume: go on from the folder's last epoch.
        init: weights to start from instead of fresh ones; of the same architecture and labels.

    Returns:
        The best checkpoint.

    Raises:
        InvalidInputError: data or folder that does not hold.
    """
    state = folder / "state" / "last.ckpt"
    if resume and not state.is_file():
        raise InvalidInputError(f"nothing to resume in {folder}", hint="start without --resume")
    if not resume and (folder / "best.safetensors").exists():
        raise InvalidInputError(f"{folder} already holds a run", hint="--resume to go on, or another -o")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*num_workers.*|.*treespec.*|.*TensorBoard.*|.*log_every_n_steps.*")
    seed_everything(recipe.seed, verbose=False)
    source = load(recipe.data, data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(_yaml(recipe), "utf-8")

    training = batches(InMemory(source.pixels, source.targets), recipe.batch, shuffle=True)
    checking = batches(InMemory(source.check_pixels, source.check_labels), 512, shuffle=False)
    arguments = {**recipe.arguments, "num_classes": len(source.labels)}
    net = models.build(recipe.architecture, **arguments) if init is None else _started(init, recipe, arguments)
    module = Fitting(net, Normalize(NORMALIZATION), recipe, len(training) * recipe.epochs, len(source.labels))
    keeper = Keeper(folder, contract_for(recipe, source, arguments, init), source)
    averaging = [EMAWeightAveraging(decay=recipe.ema)] if recipe.ema else []
    checkpoints = ModelCheckpoint(folder / "state", save_last=True, save_top_k=0, enable_version_counter=False)
    trainer = Trainer(
        max_epochs=recipe.epochs,
        accelerator="auto",
        devices=1,
        precision="bf16-mixed",
        # A resumed run gets a new version of the log: the logger deletes what it finds in an old one.
        logger=CSVLogger(folder, name="log"),
        callbacks=[keeper, *averaging, checkpoints, *callbacks],
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )
    trainer.fit(module, training, checking, ckpt_path=state if resume else None, weights_only=False)
    return folder / "best.safetensors"


def _started(init: Checkpoint, recipe: Recipe, arguments: dict[str, Any]) -> torch.nn.Module:
    architecture = Architecture(name=recipe.architecture, arguments=arguments)
    if init.contract.architecture != architecture:
        raise InvalidInputError(f"--init holds {init.contract.architecture}, and the recipe wants {architecture}")
    return init.module().net.train()


def contract_for(recipe: Recipe, source: Source, arguments: dict[str, Any], init: Checkpoint | None = None) -> Contract:
    """The contract of a net that is about to be trained; hash and figures come later."""
    height, width = source.pixels.shape[2:]
    labels = source.labels
    trying_out = "for trying out, knows no real face; " if recipe.data == "drawn" else ""
    return Contract(
        architecture=Architecture(name=recipe.architecture, arguments=arguments),
        labels=labels,
        input=Input(height=height, width=width, channels=1, color="gray"),
        normalization=NORMALIZATION,
        crop=Crop(template=TEMPLATE_48),
        outputs=(
            Output(name="probabilities", shape=(len(labels),), meaning="softmax of the logits, by label"),
            Output(name="logits", shape=(len(labels),), meaning="before softmax, by label"),
        ),
        training=Training(
            data=source.name,
            protocol=source.protocol,
            recipe=recipe.name,
            seed=recipe.seed,
            epochs=recipe.epochs,
            note=trying_out + _started_from(init),
        ),
        license="MIT (weights; the FER2013 pictures they were trained on have terms of their own)"
        if recipe.data != "drawn"
        else "MIT",
        weights_sha256="0" * 64,
        tools={"torch": torch.__version__.partition("+")[0], "fer-export": __version__},
    )


def _started_from(init: Checkpoint | None) -> str:
    """One sentence on the stage before, for the contract's note."""
    if init is None or init.contract.training is None:
        return ""
    before = init.contract.training
    weights = init.contract.weights_sha256[:12]
    return f"started from recipe {before.recipe}, seed {before.seed}, {before.note} (weights {weights}…); "


def _yaml(recipe: Recipe) -> str:
    import yaml

    return str(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
