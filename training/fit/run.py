"""This module runs a training: a recipe and data in, a folder with checkpoints that carry their contract out."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import load_file
from torch import nn

from fer_export.errors import InvalidInputError, UsageError
from fer_export.files import replacing
from fer_export.formats import checkpoint as checkpoints
from fer_export.formats.checkpoint import Checkpoint
from training.data import classes, sources
from training.data.faces import Faces
from training.data.sources import Split
from training.device import bfloat16_pays, device_named
from training.fit import pretrained, stored_views
from training.fit.checkpointing import WHOLE, CheckpointWriter, History, ResumeState, epoch_of
from training.fit.dataloader import InMemory, Rows, home, loader
from training.fit.epoch_bar import EpochBar
from training.fit.errors import InterruptedRunError
from training.fit.initial_net import initial_net
from training.fit.interrupts import interruptible
from training.fit.lightning_module import Fitting
from training.fit.multi_head import heads, targets
from training.fit.online_teachers import OnlineTeachers
from training.fit.teachers import load_teachers
from training.fit.weight_average import MovingAverage
from training.provenance import only_drawn, started_from, write_environment
from training.recipe import Data, Recipe, Stage, as_yaml, read_recipe

_IN_FLOAT32 = "training in float32: this device computes faster in it than in bfloat16 (no AMX, no CUDA from Ampere on)"
#: How many rows are checked at a time, over all processes.
CHECKED = 512


@dataclass(frozen=True)
class Run:
    """Hold what a run is told beside its recipe.

    Attributes:
        folder: folder that everything is written into.
        data: folders by name; `main` is the nameless one.
        resume: go on from the last epoch in the folder.
        init: checkpoints to start from; of the same architecture and labels, or one or both heads of a recipe with two.
        weights: a local file for the recipe's `pretrained`.
        teachers: what stages with `online` learn from: folders of finished runs, or checkpoints.
        which: `best` or `last` epoch of the teachers that are folders.
        limit: only so many pictures, for trying out; all where 0.
        device: device to train on, as in `training.device.device_named`. Of several processes each takes one GPU of its
            own, or the CPU.
        progress: show a bar.
        finish: called at the end by the process that writes, with recipe, folder and split, to write the report.
        callbacks: further Lightning callbacks, for every stage.
    """

    folder: Path
    data: Mapping[str, Path] = field(default_factory=dict)
    resume: bool = False
    init: Sequence[Checkpoint] = ()
    weights: Path | None = None
    teachers: Sequence[Path] = ()
    which: str = "best"
    limit: int = 0
    device: str = "auto"
    progress: bool = True
    finish: Callable[[Recipe, Path, Split], object] | None = None
    callbacks: Sequence[Callback] = ()


def fit(recipe: Recipe, run: Run) -> Path:
    """Train by a recipe, stage after stage.

    Started by `torchrun`, it is one of many processes: each takes its share of every batch, and the first
    one writes.

    Returns:
        The best checkpoint of the last stage.

    Raises:
        InvalidInputError: the data, the weights or the folder are not as they must be.
        MissingDependencyError: pretrained weights could not be downloaded.
    """
    device = device_named(run.device)
    if device.index is not None and "WORLD_SIZE" in os.environ:
        raise UsageError(f"many processes do not share {device}", hint="--device cuda, auto or cpu")
    _check_folder(recipe, run)
    _check_teachers(recipe, run)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings(
        "ignore", message=".*num_workers.*|.*treespec.*|.*log_every_n_steps.*|.*lr_scheduler.step.*"
    )
    split = _load(recipe, recipe.stages[0], run)
    if is_first() and recipe.precision == "bf16" and not bfloat16_pays(device):
        warnings.warn(_IN_FLOAT32, stacklevel=2)
    if is_first():
        run.folder.mkdir(parents=True, exist_ok=True)
        with replacing(run.folder / "recipe.yaml") as temporary:
            temporary.write_text(as_yaml(recipe), "utf-8")
        write_environment(run.folder / "environment.json")
    seed_everything(recipe.seed, verbose=False)
    net, note = initial_net(
        recipe, split, targets(split.train).shape[1], init=run.init, weights=run.weights, resumed=run.resume
    )
    for index, stage in enumerate(recipe.stages):
        if index and _wanted(recipe, stage) != _wanted(recipe, recipe.stages[index - 1]):
            # The net's labels are those of the first stage.
            split = sources.relabelled(_load(recipe, stage, run), split.train.labels)
        place = _place(recipe, index, run.folder)
        finished = place / "finished"
        if not (run.resume and finished.is_file() and finished.read_text("utf-8") == str(stage.epochs)):
            _fit_stage(recipe, stage, net, split, run, place=place, note=note)
            _barrier()
            if is_first():
                finished.write_text(str(stage.epochs), "utf-8")
        if index + 1 < len(recipe.stages):
            written, start = _written(recipe, index, run.folder), recipe.stages[index + 1].start
            before = checkpoints.load_checkpoint(written / f"{start}.safetensors")
            note = started_from(before)
            whole = written / f"{WHOLE}{start}.safetensors"
            if split.train.other is None:
                net = before.module().net
            else:
                net.load_state_dict(load_file(whole))
    if run.finish is not None and is_first():
        run.finish(recipe, run.folder, split)
    return run.folder / "best.safetensors"


def is_first() -> bool:
    """Return whether this process writes: the first of many, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def _fit_stage(recipe: Recipe, stage: Stage, net: nn.Module, split: Split, run: Run, *, place: Path, note: str) -> None:
    """Train one stage; its state goes into the folder `place`."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    nodes = world // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    train, check = split.train, split.check
    weights = classes.row_weights(train.targets, train.labels) if recipe.data_of(stage).balance else None
    pixels, wanted, views = train.pixels, targets(train), 1
    if stage.views:
        if stage.views not in run.data:
            raise UsageError(
                f"stage {stage.name} trains on views named {stage.views}",
                hint=f"make them with `python -m training distil`, then --data {stage.views}=FOLDER",
            )
        pixels, wanted, views = stored_views.load_views(run.data[stage.views], train, stage.taught)
    device = own_device(run.device)
    lies = home([pixels, wanted, check.pixels], device)
    rows = Rows(
        len(train),
        min(stage.batch, len(train)),
        seed=recipe.seed,
        weights=weights,
        rank=rank,
        world=world,
        views=views,
        device=lies,
    )
    training = loader(InMemory(pixels, wanted, device=lies), rows)
    checking = loader(
        InMemory(check.pixels, targets(check), device=lies),
        Rows(len(check), CHECKED, seed=None, rank=rank, world=world, device=lies),
    )
    taught = _online(stage, train, run, place / "teachers.json")
    if taught:
        note += f"taught in every step by {', '.join(one.name for one in taught.teachers)}; "
    class_weights = classes.class_weights(train.targets, train.labels).to(device) if stage.loss.weighted else None
    both = heads(recipe.data_of(stage), stage, train, class_weights)
    written = run.folder if stage is recipe.stages[-1] else place
    module = Fitting(
        net.train(),
        recipe,
        stage,
        steps=len(training) * stage.epochs,
        heads=both,
        teacher=_teacher(recipe, run) if stage.loss.name == "embedding" else None,
        taught=taught,
        kept=written / "last.safetensors",
    )
    last = place / "last.ckpt"
    shown = run.progress and rank == 0
    trainer = Trainer(
        max_epochs=stage.epochs,
        strategy="ddp" if world > 1 else "auto",
        devices=world // nodes if world > 1 or device.type == "cpu" else [device.index or 0],
        num_nodes=nodes,
        **on_device(recipe, device),
        gradient_clip_val=stage.clip or None,
        logger=TensorBoardLogger(run.folder, name="tensorboard", version=stage.name),
        callbacks=[
            # This callback stands before the averaging, so that it sees the averaged weights.
            CheckpointWriter(
                written,
                recipe,
                split,
                both,
                note=note,
                synthetic=only_drawn(recipe, recipe.stages.index(stage), run.init),
            ),
            *([MovingAverage(stage.ema)] if stage.ema else []),
            *(History(run.folder / head.place / "metrics.csv", stage.name, head.prefix) for head in both),
            *([EarlyStopping("val_loss", patience=stage.stop)] if stage.stop else []),
            *([EpochBar()] if shown else []),
            *run.callbacks,
            ResumeState(last),
        ],
        use_distributed_sampler=False,
        enable_progress_bar=shown,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )
    state = last if run.resume and last.is_file() else None
    if state:
        # Lightning fetches the first batch before it tells the sampler which epoch it is.
        rows.set_epoch(epoch_of(state) + 1)
    try:
        with interruptible():
            trainer.fit(module, training, checking, ckpt_path=state, weights_only=True)
    except KeyboardInterrupt:
        raise _interrupted(run, last) from None


def own_device(name: str) -> torch.device:
    """Return the device of this process: of many on one machine, each has a GPU of its own."""
    device = device_named(name)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


def on_device(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """Return Lightning's settings of a device: which kind it is, its precision, and how convolutions are chosen."""
    return {
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        "precision": "bf16-mixed" if recipe.precision == "bf16" and bfloat16_pays(device) else "32-true",
        # All pictures of a run have one size, so cuDNN searches the fastest convolution only once.
        "benchmark": device.type == "cuda",
    }


def _online(stage: Stage, train: Faces, run: Run, record: Path) -> OnlineTeachers | None:
    """Load the teachers of a stage; they have to be those of `record` where that is there."""
    if not stage.online:
        return None
    teachers = load_teachers(run.teachers, train, run.which)
    about = json.dumps([one.about for one in teachers], indent=1) + "\n"
    if record.is_file() and record.read_text("utf-8") != about:
        raise InvalidInputError(
            f"{run.folder} was taught by other teachers", hint="--resume with the same ones, or another -o"
        )
    if is_first():
        record.parent.mkdir(parents=True, exist_ok=True)
        with replacing(record) as temporary:
            temporary.write_text(about, "utf-8")
    widths = [len(train.labels), *([len(train.other.labels)] if train.other else [])]
    return OnlineTeachers(teachers, widths, stage.taught, mirrored=stage.online == "mirrored")


def _interrupted(run: Run, last: Path) -> InterruptedRunError:
    if not last.is_file():
        return InterruptedRunError("stopped before the first epoch was finished: nothing is kept", "the same command")
    return InterruptedRunError(
        f"stopped; {epoch_of(last) + 1} finished epoch(s) are in {run.folder}", "the same command with --resume"
    )


def _teacher(recipe: Recipe, run: Run) -> nn.Module:
    if recipe.pretrained is None:
        raise InvalidInputError("learning embeddings needs a pretrained net", hint="pretrained: imagenet in the recipe")
    return pretrained.embedding_teacher(recipe.pretrained, run.weights)


def _wanted(recipe: Recipe, stage: Stage) -> tuple[Data, int]:
    """Return a stage's data settings and the number of channels of its pictures."""
    data = recipe.data_of(stage)
    # The pretrained RGB net is shown colours where there are any.
    return data, 3 if stage.loss.name == "embedding" and data.kind in ("folder", "voc") else 1


def _load(recipe: Recipe, stage: Stage, run: Run) -> Split:
    data, channels = _wanted(recipe, stage)
    split = sources.load_split(data, run.data, size=recipe.size, channels=channels, seed=recipe.seed)
    return sources.limited(split, run.limit) if run.limit else split


def _place(recipe: Recipe, index: int, folder: Path) -> Path:
    """Return the folder of a stage's state."""
    return folder / "stages" / f"{index}-{recipe.stages[index].name}"


def _written(recipe: Recipe, index: int, folder: Path) -> Path:
    """Return the folder of a stage's checkpoints."""
    return folder if index == len(recipe.stages) - 1 else _place(recipe, index, folder)


def _check_folder(recipe: Recipe, run: Run) -> None:
    stages = run.folder / "stages"
    if run.resume:
        if not any(stages.glob("*/last.ckpt")):
            raise InvalidInputError(f"nothing to resume in {run.folder}", hint="start without --resume")
        before = read_recipe(str(run.folder / "recipe.yaml"))
        # More epochs than before are a reason to resume; anything else is another run.
        if _of_one_epoch(before) != _of_one_epoch(recipe):
            raise InvalidInputError(
                f"{run.folder} was made by another recipe or other settings than these",
                hint=f"--resume with the same ones (see {run.folder / 'recipe.yaml'}), or another -o",
            )
    elif (run.folder / "best.safetensors").exists() or any(stages.glob("*/last.ckpt")):
        raise InvalidInputError(f"{run.folder} already holds a run", hint="--resume to go on, or another -o")
    elif is_first():
        # A run that never finished an epoch may have left these.
        shutil.rmtree(stages, ignore_errors=True)
        (run.folder / "metrics.csv").unlink(missing_ok=True)


def _check_teachers(recipe: Recipe, run: Run) -> None:
    taught = any(stage.online for stage in recipe.stages)
    if taught and not run.teachers:
        raise UsageError(
            f"recipe {recipe.name} learns from teachers in every step", hint="--teacher ferplus --teacher fer2013"
        )
    if run.teachers and not taught:
        raise UsageError(
            f"no stage of recipe {recipe.name} learns from teachers in every step",
            hint="--set stages.0.online=mirrored, or stored views by `python -m training distil`",
        )


def _of_one_epoch(recipe: Recipe) -> Recipe:
    return recipe.model_copy(
        update={"stages": tuple(stage.model_copy(update={"epochs": 1}) for stage in recipe.stages)}
    )


def _barrier() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
