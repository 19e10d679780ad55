"""This module builds fernet, a small residual net with squeeze-and-excitation for 48×48 gray faces.

The residual blocks follow He et al. 2016 (https://arxiv.org/abs/1512.03385), the channel attention
Hu et al. 2018 (https://arxiv.org/abs/1709.01507). With its default widths it has 0.71 M parameters and
59.7 M multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fer_export.models.registry import register


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate made from the averages of all channels."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels // reduction, 1)
        self.up = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels: [N, C, H, W] → [N, C, H, W]."""
        pooled = x.mean((2, 3), keepdim=True)
        gate: Tensor = self.up(self.down(pooled).relu()).sigmoid()
        return x * gate


class Block(nn.Module):
    """Apply two 3×3 convolutions with attention, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _conv_bn(inputs, outputs, 3, stride)
        self.second = _conv_bn(outputs, outputs, 3)
        self.attention = SqueezeExcite(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        y = self.attention(self.second(self.first(x).relu()))
        return torch.relu(y + self.shortcut(x))


class FerNet(nn.Module):
    """Apply a stem to half the size, stages of residual blocks, an average pool, dropout and one linear head.

    Args:
        num_classes: the number of outputs.
        widths: the channels of each stage; each stage but the first halves the size.
        blocks: the number of blocks in each stage.
        stem: `pool` is 3×3 at full size, then a max-pool; `patch` is 6×6 with stride 2 and trains faster.
        channels: the channels of the picture.
        dropout: the dropout before the head, 0–1.
    """

    def __init__(
        self,
        num_classes: int,
        widths: Sequence[int] = (32, 64, 128),
        blocks: Sequence[int] = (2, 2, 2),
        stem: str = "pool",
        channels: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths):
            raise ValueError(f"{len(widths)} widths and {len(blocks)} numbers of blocks")
        if stem == "pool":
            self.stem = nn.Sequential(_conv_bn(channels, widths[0], 3), nn.ReLU(), nn.MaxPool2d(2))
        elif stem == "patch":
            first = nn.Conv2d(channels, widths[0], 6, 2, 2, bias=False)
            self.stem = nn.Sequential(nn.Sequential(first, nn.BatchNorm2d(widths[0])), nn.ReLU())
        else:
            raise ValueError(f"no stem {stem!r}: pool or patch")
        made: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for number in range(count):
                made.append(Block(inputs, width, 2 if stage and not number else 1))
                inputs = width
        self.stages = nn.Sequential(*made)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, C, 48, 48] to logits [N, classes]."""
        features = self.stages(self.stem(x)).mean((2, 3))
        logits: Tensor = self.head(self.dropout(features))
        return logits


@register
def fernet(
    num_classes: int,
    widths: Sequence[int] = (32, 64, 128),
    blocks: Sequence[int] = (2, 2, 2),
    stem: str = "pool",
    channels: int = 1,
    dropout: float = 0.2,
) -> nn.Module:
    """Build fernet; `FerNet` explains the arguments."""
    return FerNet(num_classes, widths, blocks, stem, channels, dropout)
