"""This module keeps the moving average of the weights, on the device that trains."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def rising_decay(decay: float, steps: int) -> float:
    """Return the decay after n steps: min(decay, (1 + n) / (10 + n)).

    With a constant decay the first random weights would dominate the average for about 1 / (1 - decay) steps.
    """
    return min(decay, (1 + steps) / (10 + steps))


class MovingAverage(WeightAveraging):
    """Keep an exponential moving average whose decay rises with the steps taken.

    Lightning's own average is on the CPU by default, and waits for the device at every step to read how many steps
    there were. Here the average is on the device of the weights, all tensors are updated in one call, and the host
    counts the steps.

    Args:
        decay: decay of the average after its rise, 0–1.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.taken = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put the average on the device that trains; the module itself is moved there only later."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average with the weights after one more step."""
        if trainer.global_step <= self._latest_update_step:
            return
        average = self._average_model
        assert average is not None
        module: Any = average.module
        move(_tensors(module), _tensors(pl_module), 1 - rising_decay(self.decay, self.taken) if self.taken else 1.0)
        self.taken += 1
        average.n_averaged.fill_(self.taken)
        self._latest_update_step = trainer.global_step

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on counting from the step at which the run was stopped."""
        super().on_load_checkpoint(trainer, pl_module, checkpoint)
        assert self._average_model is not None
        self.taken = int(self._average_model.n_averaged)


@torch.no_grad()
def move(averaged: list[Tensor], current: list[Tensor], share: float) -> None:
    """Move averages towards the current values by this share of the difference, in place; integers are copied."""
    pairs = list(zip(averaged, current, strict=True))
    floats = [(old, new) for old, new in pairs if old.is_floating_point()]
    # These are the counts of batches that batch norm keeps.
    others = [(old, new) for old, new in pairs if not old.is_floating_point()]
    if floats:
        torch._foreach_lerp_([old for old, _ in floats], [new for _, new in floats], share)
    if others:
        torch._foreach_copy_([old for old, _ in others], [new for _, new in others])


def _tensors(module: torch.nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]
