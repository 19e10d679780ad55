"""The progress bar of a run."""

from __future__ import annotations

from lightning.pytorch.callbacks import RichProgressBar


class EpochBar(RichProgressBar):
    """Lightning's bar with epochs counted from 1, as in `metrics.csv` and in checkpoints: the last of six is 6/6."""

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        shown = f"Epoch {current_epoch + 1}" + (f"/{epochs}" if epochs else "")
        # Both bars have descriptions of the same width, so that they stand below each other.
        return f"{shown:{len(self.validation_description)}}"
