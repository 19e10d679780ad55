"""This module wraps a net for export: pixels in, probabilities and logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_export.contract import Normalization


class Normalize(nn.Module):
    """Compute (pixels - mean) / std for each channel inside the graph, so that no caller has to."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(normalization.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise [N, C, H, W], 0–255, to about zero mean and unit deviation."""
        return (pixels - self.mean) / self.std


class Classifier(nn.Module):
    """Run a net with its normalisation before it and a softmax after it.

    Args:
        net: maps normalised pictures [N, C, H, W] to logits [N, classes].
        normalization: the mean and deviation to apply before the net.
        temperature: the number that divides the logits before softmax (Guo et al. 2017,
            https://arxiv.org/abs/1706.04599). The logits that `forward` returns are not divided.
    """

    def __init__(self, net: nn.Module, normalization: Normalization, temperature: float = 1.0) -> None:
        super().__init__()
        self.normalize = Normalize(normalization)
        self.net = net
        self.temperature = temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Map pictures [N, C, H, W], 0–255, to probabilities and logits, both [N, classes].

        For a net that ends in log-softmax, the logits are log-probabilities; softmax turns them into the
        probabilities all the same.
        """
        logits: Tensor = self.net(self.normalize(pixels))
        # Temperature 1 adds no operation to the graph.
        scaled = logits if self.temperature == 1 else logits / self.temperature
        return scaled.softmax(1), logits
