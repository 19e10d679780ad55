"""This module translates the targets of one set of labels into another."""

from __future__ import annotations

from torch import Tensor


def translated(first: Tensor, second: Tensor) -> Tensor:
    """Turn each row of the first set into the distribution of second labels that such rows have.

    How often label j of the second set occurs with label i of the first is counted over the rows that have
    both. A FER2013 label is one person's choice; ten FER+ votes, translated, give a distribution over the same labels.

    Args:
        first: float32 [N, C1], one-hot or distributions; zeros where there is no label.
        second: float32 [N, C2], likewise.

    Returns:
        float32 [N, C2]; zeros where the first set has no label.
    """
    both = (first.sum(1) > 0) & (second.sum(1) > 0)
    beside = first[both].double().T @ second[both].double()
    # A label that never occurs translates to nothing, and no row uses it.
    shares = beside / beside.sum(1, keepdim=True).clamp_min(1e-12)
    return (first.double() @ shares).to(second.dtype)


def blended(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Blend the second set's targets with `share` of the translated first set's, where both label the row."""
    said = translated(first, second)
    both = ((said.sum(1) > 0) & (second.sum(1) > 0))[:, None]
    return second.where(~both, second * (1 - share) + said * share)
