"""Gray pictures for nets that were made for RGB."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def gray_to_rgb(net: Net) -> Net:
    """Let a net for [N, 3, H, W] take [N, 1, H, W]: it computes net(cat([x, x, x], 1)).

    The same module comes back, with a step before its forward. So its parameters keep their names
    (`conv1.weight`, not `net.conv1.weight`): recipes address them as the library names them, and
    state dicts of the library fit.
    """
    net.register_forward_pre_hook(_repeat)
    return net


def _repeat(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
    (x,) = inputs
    # Not `expand`: the direct TF.js writer knows Concat.
    return (torch.cat([x, x, x], 1),)
