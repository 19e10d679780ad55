"""This module is the progress bar of a run."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from training.fit.lightning_module import Fitting

#: Drawing the bar in every step of a GPU would take longer than the step.
_REFRESH = 10 if torch.cuda.is_available() else 1


class EpochBar(RichProgressBar):
    """Count epochs from 1 in Lightning's bar, as in `metrics.csv` and in checkpoints: the last of six is 6/6."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=_REFRESH)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return what is shown beside the bar: the last loss that has arrived on the host, then the last check."""
        assert isinstance(pl_module, Fitting)
        return {"loss": pl_module.watch.latest, **super().get_metrics(trainer, pl_module)}

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        shown = f"Epoch {current_epoch + 1}" + (f"/{epochs}" if epochs else "")
        # The description is as wide as that of the validation bar, so that the two bars are aligned.
        return f"{shown:{len(self.validation_description)}}"
