"""This module has two nets of a few hundred weights, for the files of contract 1 in this folder."""

import torch
from torch import Tensor, nn


class Tiny(nn.Module):
    """It classifies gray 8×8 pictures into three labels: [N, 1, 8, 8] → [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits."""
        features: Tensor = self.norm(self.convolution(pixels)).relu().mean((2, 3))
        logits: Tensor = self.head(features)
        return logits


class Pair(nn.Module):
    """It combines an RGB picture [N, 3, 8, 8], five numbers [N, 5] and four tokens [N, 4] into two logits [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.points = nn.Conv2d(3, 4, 3), nn.Linear(5, 4)
        self.table, self.head = nn.Embedding(10, 4), nn.Linear(12, 2)

    def forward(self, face: Tensor, points: Tensor, ids: Tensor) -> Tensor:
        """Return the logits."""
        picture = self.convolution(face).relu().mean((2, 3))
        every = torch.cat([picture, self.points(points).tanh(), self.table(ids).mean(1)], 1)
        logits: Tensor = self.head(every)
        return logits
