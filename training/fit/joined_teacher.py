"""This module joins two nets that differ in their last layer alone into one with both last layers side by side.

A net that was trained on two sets of labels is shipped as one checkpoint for each; as a teacher for both it need run
only once. Their batch statistics may differ a little, since a mean of weights measures them again for each: the joined
net has the mean of both.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

#: How much the probabilities of a joined net may differ from those of the two.
_TOLERANCE = 0.05


def joined(first: nn.Module, second: nn.Module, size: tuple[int, int]) -> nn.Module | None:
    """Return a net that answers what both nets answer, the first one's outputs before the second one's.

    Args:
        first, second: map pictures [N, 1, H, W] to logits [N, classes]; they are not changed.
        size: height and width of a picture, for trying the joined net.

    Returns:
        A net that maps the pictures to [N, classes of both]; None where the two differ in more than their last layer.
    """
    parameters, others = dict(first.named_parameters()), dict(second.named_parameters())
    if parameters.keys() != others.keys():
        return None
    places = {name.rpartition(".")[0] for name, value in parameters.items() if not _equal(value, others[name])}
    if len(places) != 1:
        return None
    place = places.pop()
    heads = [net.get_submodule(place) for net in (first, second)]
    if not all(isinstance(head, nn.Linear) for head in heads):
        return None
    both = deepcopy(first)
    both.set_submodule(place, _side_by_side(*heads))  # type: ignore[arg-type]
    for (_, held), (_, one), (_, two) in zip(
        both.named_buffers(), first.named_buffers(), second.named_buffers(), strict=True
    ):
        if held.is_floating_point():
            held.copy_((one + two) / 2)
    return both if _same(both, first, second, size) else None


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _side_by_side(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """Return a linear layer with the rows of both."""
    biased = first.bias is not None and second.bias is not None
    rows = first.out_features + second.out_features
    wide = nn.Linear(first.in_features, rows, bias=biased).to(first.weight).requires_grad_(False)
    wide.weight.copy_(torch.cat([first.weight, second.weight]))
    if biased:
        wide.bias.copy_(torch.cat([first.bias, second.bias]))
    return wide


def _same(both: nn.Module, first: nn.Module, second: nn.Module, size: tuple[int, int]) -> bool:
    device = next(first.parameters()).device
    pictures = 255 * torch.rand((2, 1, *size), generator=torch.Generator().manual_seed(0)).to(device)
    with torch.inference_mode():
        seen, wanted = both(pictures), [first(pictures), second(pictures)]
    if seen.shape[1] != sum(logits.shape[1] for logits in wanted):
        return False
    split = torch.split(seen, [logits.shape[1] for logits in wanted], 1)
    return all(
        torch.allclose(own.softmax(1), logits.softmax(1), atol=_TOLERANCE, rtol=0)
        for own, logits in zip(split, wanted, strict=True)
    )
