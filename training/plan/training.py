"""This module trains nets for a time: one alone, or several side by side on the same views and answers.

It is the training of `fit` (`training/fit/lightning_module.py`) with a clock in place of a number of epochs, and
without a check after each: a net is checked once, when its time is over.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from training.augment import augment
from training.data.sources import Split
from training.fit.clock import Clock, StopByClock
from training.fit.dataloader import InMemory, Rows, home, loader
from training.fit.interrupts import interruptible
from training.fit.lightning_module import Fitting
from training.fit.multi_head import Head, heads, targets
from training.fit.online_teachers import OnlineTeachers
from training.fit.run import CHECKED, on_device
from training.fit.scores import scores
from training.fit.side_by_side import SideBySide
from training.fit.weight_average import MovingAverage
from training.recipe import OFF, Recipe


@dataclass(frozen=True)
class Trained:
    """Hold what a training has made.

    Attributes:
        nets: the nets by name with their averaged weights, in eval mode on the device.
        heads: the sets of labels that they answer for.
        epochs: how many there were; parts of one count.
        rate: pictures a second, from the first step to the last.
    """

    nets: dict[str, nn.Module]
    heads: tuple[Head, ...]
    epochs: float
    rate: float


def train(
    recipe: Recipe,
    nets: Mapping[str, nn.Module],
    split: Split,
    seconds: float,
    device: torch.device,
    taught: OnlineTeachers | None = None,
) -> Trained:
    """Train nets until the time is over.

    Args:
        recipe: its one stage has the settings; its number of epochs only says how long its warm-up is beside the whole.
        nets: by name; they are changed. Several see the same pictures.
        split: the rows.
        seconds: the time; the step in which it ends is finished.
        device: device to train on.
        taught: teachers of a recipe that is taught in every step.

    Raises:
        DivergedError: a loss was not finite.
    """
    (stage,) = recipe.stages
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*num_workers.*|.*treespec.*|.*lr_scheduler.step.*|.*val_dataloader.*")
    clock = Clock(seconds)
    stop = StopByClock(clock)
    began = time.monotonic()
    pixels, wanted = split.train.pixels, targets(split.train)
    lies = home([pixels, wanted], device)
    batch = min(stage.batch, len(split.train))
    rows = Rows(len(split.train), batch, seed=recipe.seed, device=lies)
    batches = loader(InMemory(pixels, wanted, device=lies), rows)
    both = heads(recipe.data_of(stage), stage, split.train)
    whole = SideBySide(nets) if len(nets) > 1 else next(iter(nets.values()))
    # Draws that do not belong to a step, those of dropout's first use among them.
    seed_everything(recipe.seed, verbose=False)
    module = Fitting(
        whole.train(), recipe, stage, steps=len(batches) * stage.epochs, heads=both, taught=taught, clock=clock
    )
    trainer = Trainer(
        # Only the clock ends it.
        max_epochs=-1,
        devices=1 if device.type == "cpu" else [device.index or 0],
        **on_device(recipe, device),
        callbacks=[*([MovingAverage(stage.ema)] if stage.ema else []), stop],
        logger=False,
        gradient_clip_val=stage.clip or None,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with interruptible():
        trainer.fit(module, batches)
    made = {name: net.to(device).eval().requires_grad_(False) for name, net in nets.items()}
    seen = stop.steps * batch
    return Trained(made, both, seen / len(split.train), seen / (time.monotonic() - began))


def check(
    answering: nn.Module, recipe: Recipe, both: tuple[Head, ...], split: Split, device: torch.device
) -> dict[str, float]:
    """Return accuracy and macro-F1 of each head on the checked rows, 0–1: one view, float32.

    Args:
        answering: maps pictures in 0–255, float32 [N, 1, size, size], to logits of all heads.
        recipe: for the size.
        both: the heads.
        split: the rows.
        device: device of the net.
    """
    parts: list[Tensor] = []
    with torch.inference_mode():
        for some in torch.split(split.check.pixels, CHECKED):
            parts.append(answering(augment(some.to(device).float(), OFF, recipe.size)).float().cpu())
    found = scores(both, torch.cat(parts), targets(split.check))
    return {name: float(value) for name, value in found.items()}
