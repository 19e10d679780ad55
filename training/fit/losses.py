"""This module has the losses against distributions over the classes; a hard label is a distribution with one 1."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from training.recipe import Loss

#: A loss function: logits and targets, both [N, classes], to one loss for each row, [N].
Function = Callable[[Tensor, Tensor], Tensor]


def function(loss: Loss, weights: Tensor | None = None) -> Function:
    """Return the loss function that a recipe names.

    Args:
        loss: settings of the loss.
        weights: [classes], one factor for each class; ones where None.

    Label smoothing is that of Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567).
    """
    inner = {"cross_entropy": cross_entropy, "nll": nll, "soft_votes": soft_votes}.get(loss.name)

    def smoothed(answers: Tensor, targets: Tensor) -> Tensor:
        # The smoothing is scaled by the target's sum, so that a row without a label keeps zero targets.
        spread = targets.sum(1, keepdim=True) / targets.shape[1]
        targets = targets * (1 - loss.smoothing) + loss.smoothing * spread
        rows = inner(answers, targets) if inner else focal(answers, targets, loss.gamma)
        return rows if weights is None else rows * (targets @ weights.to(targets))

    return smoothed


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the cross-entropy -Σ t log softmax(logits) of each row: [N]."""
    return -(targets * logits.log_softmax(1)).sum(1)


def nll(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Compute -Σ t log p of each row, for a net that outputs log p: [N]."""
    return -(targets * log_probabilities).sum(1)


def soft_votes(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the Kullback-Leibler divergence of the answer from the votes, zero where they agree: [N]."""
    return cross_entropy(logits, targets) + (targets * targets.clamp_min(1e-12).log()).sum(1)


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Compute the focal loss -Σ t (1 - p)^γ log p (Lin et al. 2017, https://arxiv.org/abs/1708.02002): [N]."""
    log_probabilities = logits.log_softmax(1)
    return -(targets * (1 - log_probabilities.exp()) ** gamma * log_probabilities).sum(1)
