"""This module lets nets that were made for RGB take gray pictures."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def gray_to_rgb(net: Net) -> Net:
    """Let a net for [N, 3, H, W] take [N, 1, H, W]: it computes net(cat([x, x, x], 1)).

    The same module is returned, with a hook before its forward. So its parameters keep their names
    (`conv1.weight`, not `net.conv1.weight`): recipes address them as the library names them, and
    state dicts of the library fit.
    """
    net.register_forward_pre_hook(_repeat)
    return net


def _repeat(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
    (x,) = inputs
    # `cat` rather than `expand`, because the direct TF.js writer converts it to a plain Concat.
    return (torch.cat([x, x, x], 1),)
