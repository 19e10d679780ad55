"""This module notices when a loss is not finite, without making a GPU wait for each loss."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from training.fit.errors import DivergedError

#: How many steps a GPU may be ahead before the host waits for the loss of the first of them.
AHEAD = 8


class LossWatch:
    """Check the loss of each step, keep the mean of an epoch, and end the run when one is infinite or not a number.

    On a CPU it is checked at that step. On a GPU the loss is copied to the host while the next steps are computed,
    and checked once the copy is done, at most `AHEAD` steps later.

    Args:
        kept: path of the run's last checkpoint, which need not exist yet.
        told: called with each step, from 0, and its loss, once that is on the host.

    Attributes:
        latest: the last loss that arrived on the host; not a number before the first.
    """

    def __init__(self, kept: Path | None = None, told: Callable[[int, float], object] | None = None) -> None:
        self.kept, self.told = kept, told
        self.latest, self._sum, self._count = float("nan"), 0.0, 0
        self.waiting: deque[tuple[Tensor, torch.cuda.Event, int, int]] = deque()

    def see(self, loss: Tensor, epoch: int, step: int) -> None:
        """Take the loss of one step.

        Args:
            loss: a scalar.
            epoch, step: from 0; the step counts over all epochs.

        Raises:
            DivergedError: this loss, or that of an earlier step, is not finite.
        """
        if not loss.is_cuda:
            self._hold(loss.detach(), epoch, step)
            return
        copy = torch.empty((), dtype=loss.dtype, pin_memory=True)
        copy.copy_(loss.detach(), non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self.waiting.append((copy, event, epoch, step))
        while self.waiting and (len(self.waiting) > AHEAD or self.waiting[0][1].query()):  # type: ignore[no-untyped-call]
            self._next()

    def restart(self) -> None:
        """Forget the losses so far, at the start of an epoch."""
        self._sum, self._count = 0.0, 0

    @property
    def mean(self) -> float:
        """Return the mean loss since `restart`, of those that have arrived; 0 where none has."""
        return self._sum / max(1, self._count)

    def done(self) -> None:
        """Check the losses that are still being copied.

        Raises:
            DivergedError: one of them is not finite.
        """
        while self.waiting:
            self._next()

    def diverged(self, epoch: int, step: int, what: str = "the loss") -> DivergedError:
        """Return the error for a loss that is not finite; epoch and step from 0."""
        kept = f"the last good checkpoint: {self.kept}" if self.kept and self.kept.is_file() else "no checkpoint yet"
        return DivergedError(
            f"{what} is not finite in epoch {epoch + 1}, step {step + 1}; {kept}",
            hint="a smaller rate: --set stages.0.optimizer.learning_rate=…, or clipping: --set stages.0.clip=1",
        )

    def _next(self) -> None:
        copy, event, epoch, step = self.waiting.popleft()
        event.synchronize()
        self._hold(copy, epoch, step)

    def _hold(self, loss: Tensor, epoch: int, step: int) -> None:
        self.latest = float(loss)
        if not math.isfinite(self.latest):
            raise self.diverged(epoch, step)
        self._sum, self._count = self._sum + self.latest, self._count + 1
        if self.told:
            self.told(step, self.latest)
