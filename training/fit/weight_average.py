"""The moving average of the weights, on the device that trains."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def rising_decay(decay: float, steps: int) -> float:
    """Return the decay after so many steps: min(decay, (1 + n) / (10 + n)).

    Without the rise the average holds on to the first random weights for some 1 / (1 - decay) steps.
    """
    return min(decay, (1 + steps) / (10 + steps))


class MovingAverage(WeightAveraging):
    """Exponential moving average whose decay rises with the steps taken; Lightning's, but for how it is computed.

    Lightning's own keeps the average on the CPU where it is not told otherwise, and waits for the device at every step
    to read how many there were. Here it lies beside the weights, all tensors are moved in one call, and the host
    counts.

    Args:
        decay: 0–1, of the average once it has risen.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.taken = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put the average on the device that trains, which the module is only moved to later."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the weights of one more step in."""
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
        """Go on counting where the run was stopped."""
        super().on_load_checkpoint(trainer, pl_module, checkpoint)
        assert self._average_model is not None
        self.taken = int(self._average_model.n_averaged)


@torch.no_grad()
def move(averaged: list[Tensor], current: list[Tensor], share: float) -> None:
    """Move averages towards the current values by a share of the way, in place; whole numbers are copied."""
    pairs = list(zip(averaged, current, strict=True))
    floats = [(old, new) for old, new in pairs if old.is_floating_point()]
    # The count of batches that batch norm keeps.
    others = [(old, new) for old, new in pairs if not old.is_floating_point()]
    if floats:
        torch._foreach_lerp_([old for old, _ in floats], [new for _, new in floats], share)
    if others:
        torch._foreach_copy_([old for old, _ in others], [new for _, new in others])


def _tensors(module: torch.nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]
