"""This module builds simple_cnn: six convolutions, three max-pools, three linear layers, no batch norm.

It is the first CNN of many tutorials, published with 52 % on FER2013. The widths are those of tutorials on
CIFAR-10, 32-64-128-128-256-256 and linear 1024-512-classes; that the published net has them is
assumed, as is the dropout of 0 (an argument). The net has 11.09 M parameters and 307.9 M multiply-accumulates
at 48×48.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from fer_export.models.registry import register

_CHANNELS = (1, 32, 64, 128, 128, 256, 256)


class SimpleCnn(nn.Module):
    """Map gray faces, 48×48, to logits.

    The layers are conv1 … conv6 with a pool after every second one, fc1, fc2, fc3.
    """

    def __init__(self, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        for index, (inputs, outputs) in enumerate(pairwise(_CHANNELS), 1):
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, padding=1))
        self.fc1 = nn.Linear(256 * 6 * 6, 1024)
        self.fc2 = nn.Linear(1024, 512)
        self.fc3 = nn.Linear(512, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, 48, 48] to logits [N, classes]."""
        for index in range(1, len(_CHANNELS)):
            x = self.get_submodule(f"conv{index}")(x).relu()
            if index % 2 == 0:
                x = functional.max_pool2d(x, 2)
        x = self.fc1(x.flatten(1)).relu()
        x = self.fc2(self.dropout(x)).relu()
        logits: Tensor = self.fc3(self.dropout(x))
        return logits


@register
def simple_cnn(num_classes: int, dropout: float = 0.0) -> nn.Module:
    """Build the CNN without batch norm; `dropout` applies before fc2 and fc3."""
    return SimpleCnn(num_classes, dropout)
