"""This module holds CBAM, the convolutional block attention module.

Source: Woo et al. 2018, https://arxiv.org/abs/1807.06521.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Scale each channel by a gate made from its average and its maximum over the picture (section 3, equation 2)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels: [N, C, H, W] → [N, C, H, W]."""
        average = self.up(self.down(x.mean((2, 3), keepdim=True)).relu())
        maximum = self.up(self.down(x.amax((2, 3), keepdim=True)).relu())
        gate: Tensor = (average + maximum).sigmoid()
        return x * gate


class SpatialAttention(nn.Module):
    """Scale each place by a gate made from the average and the maximum over its channels (equation 3)."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the places: [N, C, H, W] → [N, C, H, W]."""
        gate: Tensor = self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)).sigmoid()
        return x * gate


class Cbam(nn.Module):
    """Apply channel attention, then spatial attention, which is the order that the paper found best."""

    def __init__(self, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention(kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both: [N, C, H, W] → [N, C, H, W]."""
        attended: Tensor = self.spatial(self.channel(x))
        return attended
