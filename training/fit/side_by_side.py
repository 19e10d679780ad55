"""This module trains several nets together: one batch, one augmentation and one teachers' answer for all of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class SideBySide(nn.Module):
    """Hold nets that see the same pictures and know nothing of each other.

    The sum of their losses has, for the weights of each, the gradient of its own loss alone; so one optimizer, whose
    steps do not depend on other parameters, trains all of them as if each were alone.

    Args:
        nets: by name; each maps pictures [N, C, H, W] to logits of the same shape.
    """

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        super().__init__()
        # A ModuleDict takes no name with a dot in it.
        self.names = tuple(nets)
        self.nets = nn.ModuleList(nets.values())

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures [N, C, H, W] to the logits of all nets, [nets, N, classes]."""
        return torch.stack([net(pictures) for net in self.nets])

    def by_name(self) -> dict[str, nn.Module]:
        """Return the nets."""
        return dict(zip(self.names, self.nets, strict=True))


def members(net: nn.Module) -> list[nn.Module]:
    """Return the nets that are trained side by side; a net alone is a list of one."""
    return list(net.nets) if isinstance(net, SideBySide) else [net]
