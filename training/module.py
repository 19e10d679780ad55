"""The training step, as Lightning runs it."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_f1_score

from fer_export.models.classifier import Normalize
from training.augment import augment
from training.recipe import Recipe


class Fitting(LightningModule):
    """A net under training: augments uint8 batches, soft-target cross-entropy, SGD with a cosine."""

    def __init__(self, net: nn.Module, normalize: Normalize, recipe: Recipe, steps: int, classes: int) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalize = normalize
        self.recipe = recipe
        self.steps = steps
        self.classes = classes
        self.answers: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """uint8 [N, 1, H, W] and distributions [N, classes] → the loss."""
        pixels, targets = batch
        with torch.autocast(self.device.type, enabled=False):
            changed = self.normalize(augment(pixels.float(), self.recipe.augmentation))
        logits = self.net(changed.contiguous(memory_format=torch.channels_last)).float()
        smoothing = self.recipe.smoothing
        targets = targets * (1 - smoothing) + smoothing / targets.shape[1]
        loss = -(targets * logits.log_softmax(1)).sum(1).mean()
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """uint8 [N, 1, H, W] and classes [N]; one view, no augmentation, float32 as it is deployed."""
        pixels, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            self.answers.append((self.net(self.normalize(pixels.float())).argmax(1), labels))

    def on_validation_epoch_end(self) -> None:
        """Accuracy and macro-F1 over all the rows."""
        answers, labels = (torch.cat(parts) for parts in zip(*self.answers, strict=True))
        self.answers.clear()
        self.log("accuracy", (answers == labels).float().mean(), prog_bar=True)
        self.log("macro_f1", multiclass_f1_score(answers, labels, num_classes=self.classes, average="macro"))

    def configure_optimizers(self) -> Any:
        """SGD with Nesterov momentum; weight decay on matrices only; linear rise, then cosine, by step."""
        weights = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        recipe = self.recipe
        optimizer = torch.optim.SGD(
            [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=True,
        )
        rise = max(1.0, recipe.warmup * self.steps / recipe.epochs)

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - rise) / max(1.0, self.steps - rise)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
