"""This module builds emotion_cnn, the plain CNN that is published beside resnet9 with 65.9 % on FER2013.

It reproduces the published kind of net: blocks of two 3×3 convolutions, each with batch norm and ELU, a
max-pool and dropout after each block, one hidden linear layer. The source's widths are not known.
Assumed here: three blocks of 64, 128 and 256 channels as in VGG (Simonyan and Zisserman 2015,
https://arxiv.org/abs/1409.1556), 256 hidden units, dropout 0.25 in the trunk and 0.5 in the head.
It has 3.51 M parameters and 343.4 M multiply-accumulates at 48×48.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from fer_export.models.registry import register


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ELU()]


class EmotionCnn(nn.Module):
    """Map gray faces, 48×48, to logits; the layers are blocks.0, blocks.1 …, fc1, fc1_bn, fc2."""

    def __init__(
        self, num_classes: int, widths: Sequence[int] = (64, 128, 256), dropout: float = 0.25, head_dropout: float = 0.5
    ) -> None:
        super().__init__()
        blocks: list[nn.Sequential] = []
        inputs = 1
        for width in widths:
            layers = [*_conv(inputs, width), *_conv(width, width), nn.MaxPool2d(2), nn.Dropout(dropout)]
            blocks.append(nn.Sequential(*layers))
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        side = 48 >> len(blocks)
        self.fc1 = nn.Linear(inputs * side * side, 256)
        self.fc1_bn = nn.BatchNorm1d(256)
        self.dropout = nn.Dropout(head_dropout)
        self.fc2 = nn.Linear(256, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, 48, 48] to logits [N, classes]."""
        x = self.blocks(x).flatten(1)
        x = functional.elu(self.fc1_bn(self.fc1(x)))
        logits: Tensor = self.fc2(self.dropout(x))
        return logits


@register
def emotion_cnn(
    num_classes: int, widths: Sequence[int] = (64, 128, 256), dropout: float = 0.25, head_dropout: float = 0.5
) -> nn.Module:
    """Build a plain CNN of double convolutions; `widths` holds the channels of its blocks."""
    return EmotionCnn(num_classes, tuple(widths), dropout, head_dropout)
