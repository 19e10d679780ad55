"""This module builds plain_cnn: four plain convolutions, a reference for speed and not for accuracy.

`fer-export bench` times other nets beside it, with random weights. It has 3×3 convolutions of widths
32-64-128-128, ReLU and a max-pool after each, then linear 64-classes: 0.31 M parameters and 27.3 M
multiply-accumulates at 48×48, which is 54.6 MFLOP where multiply and add count as two.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from fer_export.models.registry import register

_CHANNELS = (1, 32, 64, 128, 128)


class PlainCnn(nn.Module):
    """Map gray faces, 48×48, to logits."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(_CHANNELS):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(_CHANNELS[-1] * 3 * 3, 64), nn.ReLU(), nn.Linear(64, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, 48, 48] to logits [N, classes]."""
        logits: Tensor = self.head(self.features(x).flatten(1))
        return logits


@register
def plain_cnn(num_classes: int) -> nn.Module:
    """Build the reference net of `fer-export bench`."""
    return PlainCnn(num_classes)
