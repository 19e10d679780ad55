"""This module builds resnet9, the nine-layer ResNet of many tutorials, for one channel.

It goes back to David Page's fast CIFAR-10 nets (https://github.com/davidcpage/cifar10-fast): 3×3
convolutions with batch norm and ReLU, 64, 128 and pool, two of 128 beside a shortcut, 256 and pool,
512 and pool, two of 512 beside a shortcut, max-pool, dropout, one linear layer. Published on
FER2013: 65.1 %. Assumed here: the last pool takes the maximum over the whole map, 6×6 for 48×48
faces (the nets for 32×32 pictures pool 4×4, which is their whole map), and the dropout is 0.2. 6.57
M parameters and 850.7 M multiply-accumulates at 48×48.
"""

from __future__ import annotations

from torch import Tensor, nn

from fer_export.models.registry import register


def _conv(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class ResNet9(nn.Module):
    """Map gray faces, 48×48, to logits."""

    def __init__(self, num_classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.conv1 = _conv(1, 64)
        self.conv2 = _conv(64, 128, pool=True)
        self.res1 = nn.Sequential(_conv(128, 128), _conv(128, 128))
        self.conv3 = _conv(128, 256, pool=True)
        self.conv4 = _conv(256, 512, pool=True)
        self.res2 = nn.Sequential(_conv(512, 512), _conv(512, 512))
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(512, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, 48, 48] to logits [N, classes]."""
        x = self.conv2(self.conv1(x))
        x = x + self.res1(x)
        x = self.conv4(self.conv3(x))
        x = x + self.res2(x)
        logits: Tensor = self.fc(x.amax((2, 3)))
        return logits


@register
def resnet9(num_classes: int, dropout: float = 0.2) -> nn.Module:
    """Build ResNet-9 for one channel; the layers are conv1, conv2, res1, conv3, conv4, res2, fc."""
    return ResNet9(num_classes, dropout)
