"""This module ends a training after so many seconds, whatever the machine, with a schedule that ends with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Clock:
    """Count the share of a time that has passed since it was first asked.

    Args:
        seconds: the time, above 0.
        now: returns the seconds since some fixed moment.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._now = seconds, now
        self._began: float | None = None

    @property
    def elapsed(self) -> float:
        """Return the seconds since the first call of this."""
        if self._began is None:
            self._began = self._now()
        return self._now() - self._began

    @property
    def share(self) -> float:
        """Return the share that has passed, from 0 to 1."""
        return min(1.0, self.elapsed / self.seconds)


class StopByClock(Callback):
    """Stop a training after the first step that ends when the time is over; it counts the steps."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.steps = clock, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, where it does not run yet."""
        _ = self.clock.elapsed

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the trainer when the time is over."""
        self.steps += 1
        if self.clock.share >= 1:
            trainer.should_stop = True
