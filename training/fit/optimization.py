"""This module sets which parameters are trained, at which rate, and how the rate changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR, OneCycleLR, ReduceLROnPlateau

from fer_export.errors import InvalidInputError
from training.fit.clock import Clock
from training.recipe import Schedule, Stage


def freeze(net: nn.Module, stage: Stage) -> None:
    """Let gradients reach only the parameters that the stage trains.

    Raises:
        InvalidInputError: no parameter has one of the prefixes, or nothing is left to train.
    """
    _known(net, (*stage.train, *stage.freeze, *stage.rates))
    for name, parameter in net.named_parameters():
        chosen = not stage.train or _longest(name, stage.train) is not None
        parameter.requires_grad_(chosen and _longest(name, stage.freeze) is None)
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise InvalidInputError(f"stage {stage.name} freezes every parameter")


def rest(net: nn.Module) -> None:
    """Put modules whose parameters are all frozen into eval mode, so that their batch statistics stay fixed too."""
    for module in net.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def optimizer(net: nn.Module, stage: Stage) -> Optimizer:
    """Return the stage's optimizer for all parameters that are not frozen, grouped by rate and weight decay."""
    settings = stage.optimizer
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            prefix = _longest(name, stage.rates)
            factor = stage.rates[prefix] if prefix is not None else 1.0
            groups.setdefault((factor, settings.decay_all or parameter.ndim > 1), []).append(parameter)
    listed = [
        {
            "params": parameters,
            "lr": settings.learning_rate * factor,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (factor, decayed), parameters in groups.items()
    ]
    # On a GPU, the fused form updates all parameters of a step in one kernel.
    fused = all(parameter.is_cuda for parameters in groups.values() for parameter in parameters) or None
    if settings.name == "sgd":
        momentum = settings.momentum
        return torch.optim.SGD(listed, lr=settings.learning_rate, momentum=momentum, nesterov=momentum > 0, fused=fused)
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(listed, lr=settings.learning_rate, fused=fused)


def schedule(
    optimizer: Optimizer, settings: Schedule, steps: int, epochs: int, *, clock: Clock | None = None
) -> dict[str, Any] | None:
    """Return Lightning's record of the schedule; None for a constant rate.

    Args:
        optimizer: optimizer whose rates are changed, each group's from its own.
        settings: the schedule of the recipe.
        steps, epochs: length of the whole stage.
        clock: the rate then follows the time that has passed, not the steps: half of the time stands for half of
            `steps`.

    Raises:
        InvalidInputError: the schedule cannot follow a clock.
    """
    if clock is not None and settings.name not in ("cosine", "constant"):
        raise InvalidInputError(f"the schedule {settings.name} follows no clock", hint="cosine or constant")
    if settings.name == "step":
        return {"scheduler": MultiStepLR(optimizer, list(settings.at), settings.factor), "interval": "epoch"}
    if settings.name == "plateau":
        plateau = ReduceLROnPlateau(optimizer, factor=settings.factor, patience=settings.patience)
        return {"scheduler": plateau, "interval": "epoch", "monitor": "val_loss"}
    if settings.name == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return {
            "scheduler": OneCycleLR(optimizer, peaks, total_steps=max(2, steps), pct_start=settings.rise),
            "interval": "step",
        }
    if settings.name == "cosine":
        rise = settings.warmup * steps / epochs

        def factor(step: int) -> float:
            place = step if clock is None else clock.share * steps
            if place < rise:
                return (place + 1) / (rise + 1)
            return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (place - rise) / max(1.0, steps - rise)))

        return {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
    return None


def _longest(name: str, prefixes: Iterable[str]) -> str | None:
    """Return the longest of the prefixes of a parameter's name, in whole parts between dots; None if none fits."""
    fitting = [prefix for prefix in prefixes if name == prefix or name.startswith(f"{prefix}.")]
    return max(fitting, key=len, default=None)


def _known(net: nn.Module, prefixes: Iterable[str]) -> None:
    names = [name for name, _ in net.named_parameters()]
    for prefix in prefixes:
        if not any(_longest(name, [prefix]) for name in names):
            parts = sorted({name.partition(".")[0] for name in names})
            raise InvalidInputError(f"no parameter's name begins with {prefix}", hint=f"there is: {', '.join(parts)}")
