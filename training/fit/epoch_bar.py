"""This module is the progress bar of a run."""

from __future__ import annotations

from lightning.pytorch.callbacks import RichProgressBar


class EpochBar(RichProgressBar):
    """Count epochs from 1 in Lightning's bar, as in `metrics.csv` and in checkpoints: the last of six is 6/6."""

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        shown = f"Epoch {current_epoch + 1}" + (f"/{epochs}" if epochs else "")
        # The description is as wide as that of the validation bar, so that the two bars are aligned.
        return f"{shown:{len(self.validation_description)}}"
