"""simple_cnn: six convolutions, three max-pools, three linear layers, no batch norm.

The first CNN of many tutorials, published with 52 % on FER2013. Widths are those that tutorials on
CIFAR-10 use, 32-64-128-128-256-256 and linear 1024-512-classes; that the published net has them is
assumed, as is the dropout of 0 (an argument). 11.09 M parameters and 307.9 M multiply-accumulates
at 48×48.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from fer_export.models.registry import register

_CHANNELS = (1, 32, 64, 128, 128, 256, 256)


class SimpleCnn(nn.Module):
    """Gray faces, 48×48, to logits. Layers: conv1 … conv6, a pool behind each second one, fc1, fc2, fc3."""

    def __init__(self, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        for index, (inputs, outputs) in enumerate(pairwise(_CHANNELS), 1):
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, padding=1))
        self.fc1 = nn.Linear(256 * 6 * 6, 1024)
        self.fc2 = nn.Linear(1024, 512)
        self.fc3 = nn.Linear(512, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures [N, 1, 48, 48] → logits [N, classes]."""
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
    """The plainest CNN: no batch norm. `dropout` stands before fc2 and fc3."""
    return SimpleCnn(num_classes, dropout)
