"""Losses against distributions over the classes; a hard label is a distribution with one 1."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from training.recipe import Loss

#: Logits and targets, both [N, classes], → one loss for each row, [N].
Function = Callable[[Tensor, Tensor], Tensor]


def function(loss: Loss, weights: Tensor | None = None) -> Function:
    """The loss that a recipe names.

    Args:
        loss: its settings.
        weights: [classes], one factor for each class; ones where None.

    Label smoothing is that of Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567).
    """
    inner = {"cross_entropy": cross_entropy, "nll": nll, "soft_votes": soft_votes}.get(loss.name)

    def smoothed(answers: Tensor, targets: Tensor) -> Tensor:
        # By the target's own sum, so that a row without a label stays without.
        spread = targets.sum(1, keepdim=True) / targets.shape[1]
        targets = targets * (1 - loss.smoothing) + loss.smoothing * spread
        rows = inner(answers, targets) if inner else focal(answers, targets, loss.gamma)
        return rows if weights is None else rows * (targets @ weights.to(targets))

    return smoothed


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-Σ t log softmax(logits)."""
    return -(targets * logits.log_softmax(1)).sum(1)


def nll(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """-Σ t log p, of a net that answers log p."""
    return -(targets * log_probabilities).sum(1)


def soft_votes(logits: Tensor, targets: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the votes to the answer: zero where they agree."""
    return cross_entropy(logits, targets) + (targets * targets.clamp_min(1e-12).log()).sum(1)


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """-Σ t (1 - p)^γ log p (Lin et al. 2017, https://arxiv.org/abs/1708.02002)."""
    log_probabilities = logits.log_softmax(1)
    return -(targets * (1 - log_probabilities.exp()) ** gamma * log_probabilities).sum(1)
