"""This module defines the training step, as Lightning runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from fer_export.contract import Normalization
from fer_export.models.classifier import Normalize
from training.augment import augment, mixup
from training.device import compiles
from training.fit import optimization
from training.fit.clock import Clock
from training.fit.loss_watch import LossWatch
from training.fit.multi_head import Head
from training.fit.online_teachers import OnlineTeachers
from training.fit.scores import scores
from training.fit.side_by_side import members
from training.recipe import OFF, Recipe, Stage

#: The normalisation that torchvision's ImageNet nets were trained with, in units of 0–255.
IMAGENET = Normalization(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
#: Weights of gray by ITU-R BT.601, as in the contract.
BT601 = (0.299, 0.587, 0.114)
#: The loss goes into the log once in so many steps.
LOGGED = 20


class Fitting(LightningModule):
    """Train a net for one stage.

    Args:
        net: maps normalised gray pictures to logits, or to log-probabilities for the loss `nll`; or several such nets,
            `SideBySide`, which are trained together.
        recipe, stage: the settings.
        steps: number of steps of the whole stage.
        heads: which outputs are compared with which targets; one, or two for two sets of labels.
        taught: teachers that answer for every augmented picture; None where labels or stored views are the targets.
        kept: the last checkpoint that the run has written, or will write; the error for a loss that is not finite
            names it.
        clock: the schedule follows it in place of the steps where there is one.
        teacher: for the loss `embedding` alone; maps normalised RGB pictures to embeddings, as `net.embed` does.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        stage: Stage,
        *,
        steps: int,
        heads: tuple[Head, ...],
        teacher: nn.Module | None = None,
        taught: OnlineTeachers | None = None,
        kept: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)
        self.normalize = Normalize(Normalization(mean=(recipe.mean,), std=(recipe.std,)))
        self.recipe, self.stage, self.steps, self.heads = recipe, stage, steps, heads
        # The teacher is in a list so that it is not registered as a part that is trained, averaged and saved.
        self.teacher = [Normalize(IMAGENET), teacher] if teacher is not None else []
        # For the same reason this is no module.
        self.taught = taught
        self.clock = clock
        self.watch = LossWatch(kept, self._log_loss)
        # Compiled, it is the same net with the same weights, so it is no module of its own either.
        self._compiled: list[Any] = []
        self.answers: list[tuple[Tensor, Tensor, Tensor]] = []
        optimization.freeze(self.net, stage)

    def on_fit_start(self) -> None:
        """Move the teachers to the net's device, and compile the net where the recipe says so."""
        if self.taught:
            self.taught.to(self.device)
        self._compiled = [torch.compile(self.net)] if compiles(self.recipe.compile, self.device) else []

    def on_train_epoch_start(self) -> None:
        """Keep the batch statistics of frozen layers fixed, unless the stage says otherwise."""
        self.watch.restart()
        if self.stage.statistics == "rest":
            optimization.rest(self.net)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the draws by seed, step and process alone, so that a resumed run repeats them."""
        torch.manual_seed((self.recipe.seed * 1_000_003 + self.global_step) * 1009 + self.global_rank)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss for pictures, uint8 [N, C, H, W], and distributions [N, classes of all heads]."""
        loss = self._losses(*self.views(*batch)).mean()
        self.watch.see(loss, self.current_epoch, self.global_step)
        return loss

    def views(self, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the net is shown and what it is to answer: augmented, mixed, and told by the teachers.

        Args:
            pixels: uint8 [N, C, H, W].
            targets: distributions [N, classes of all heads].

        Returns:
            Pictures float32 [N, C, size, size] in 0–255, and targets of the same shape as before.
        """
        with torch.autocast(pixels.device.type, enabled=False):
            changed = augment(pixels.float(), self.stage.augmentation, self.recipe.size)
            if self.stage.mixup:
                changed, targets = mixup(changed, targets, self.stage.mixup)
            if self.taught:
                targets = self.taught.targets(changed, targets)
        return changed, targets

    def on_train_epoch_end(self) -> None:
        """Check the losses that are still on their way from the device."""
        self.watch.done()

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradient of each net by itself, where several are trained together."""
        for net in members(self.net) if gradient_clip_val else ():
            nn.utils.clip_grad_norm_(net.parameters(), gradient_clip_val or 0.0)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Keep the outputs for pictures, uint8 [N, C, H, W]: one view, no augmentation, float32 as it is deployed."""
        pixels, targets = batch
        with torch.autocast(self.device.type, enabled=False):
            whole = augment(pixels.float(), OFF, self.recipe.size)
            if self.teacher:
                rows = self._losses(whole, targets)
                self.answers.append((rows, targets, targets))
                return
            logits = self.net(self.normalize(whole)).float()
            self.answers.append((self._summed(logits, targets), logits, targets))

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and macro-F1 over the rows of all processes; a second head's under its name."""
        shares = [self.answers]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            shares = [[] for _ in range(self.trainer.world_size)]
            torch.distributed.all_gather_object(shares, self.answers)
        parts = [part for share in shares for part in share]
        self.answers = []
        rows, logits, targets = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
        self.watch.done()
        if not rows.isfinite().all():
            raise self.watch.diverged(self.current_epoch, self.global_step, "the loss of the checked rows")
        self.log("loss_epoch", self.watch.mean)
        self.log("val_loss", rows.mean(), prog_bar=True)
        for name, value in (scores(self.heads, logits, targets) if not self.teacher else {}).items():
            self.log(name, value, prog_bar=name.endswith("accuracy"))

    def configure_optimizers(self) -> Any:
        """Return optimizer and schedule of the stage."""
        optimizer = optimization.optimizer(self.net, self.stage)
        schedule = optimization.schedule(
            optimizer, self.stage.schedule, self.steps, self.stage.epochs, clock=self.clock
        )
        return {"optimizer": optimizer, **({"lr_scheduler": schedule} if schedule else {})}

    def _losses(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """Compute one loss for each row, [N], from pictures in 0–255."""
        gray = pictures
        if pictures.shape[1] == 3:
            # One channel at a time, since a GPU would have to wait for a copy of the weights.
            parts = [weight * pictures[:, channel] for channel, weight in enumerate(BT601)]
            gray = torch.stack(parts).sum(0)[:, None]
        inputs = self.normalize(gray).contiguous(memory_format=torch.channels_last)
        if not self.teacher:
            answers = (self._compiled[0] if self._compiled else self.net)(inputs).float()
            # Of several nets the losses are added, so that each has the gradient of its own alone.
            each = answers if answers.ndim == 3 else answers[None]
            return torch.stack([self._summed(logits, targets) for logits in each]).sum(0)
        normalize, teacher = (part.to(self.device) for part in self.teacher)
        with torch.no_grad():
            wanted: Tensor = teacher(normalize(pictures.expand(-1, 3, -1, -1))).float()
        embed: Any = self.net.embed
        seen: Tensor = embed(inputs).float()
        return (seen - wanted).square().mean(1)

    def _log_loss(self, step: int, loss: float) -> None:
        """Log the loss of a step that has arrived on the host."""
        if step % LOGGED == LOGGED - 1 and self.logger is not None:
            self.logger.log_metrics({"loss_step": loss}, step)

    def _summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the weighted sum of the heads' losses: [N]."""
        return torch.stack([head.weight * head.loss(head.of(logits), head.of(targets)) for head in self.heads]).sum(0)
