"""The module that is exported: pixels in, probabilities and logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_export.contract import Normalization


class Normalize(nn.Module):
    """(pixels - mean) / std per channel, kept in the graph so that nobody has to repeat it."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(normalization.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """[N, C, H, W], 0–255 → [N, C, H, W], about zero mean and unit deviation."""
        return (pixels - self.mean) / self.std


class Classifier(nn.Module):
    """A net with its normalisation before it and a softmax behind it.

    Args:
        net: normalised pictures → logits.
        normalization: before it.
        temperature: by which the logits are divided for the softmax (Guo et al. 2017,
            https://arxiv.org/abs/1706.04599). The logits that are answered are the net's own.
    """

    def __init__(self, net: nn.Module, normalization: Normalization, temperature: float = 1.0) -> None:
        super().__init__()
        self.normalize = Normalize(normalization)
        self.net = net
        self.temperature = temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, H, W], 0–255 → probabilities and logits, both [N, classes].

        Of a net that ends in log-softmax the logits are log-probabilities; softmax leaves them be.
        """
        logits: Tensor = self.net(self.normalize(pixels))
        # No operation in the graph where there is nothing to do.
        scaled = logits if self.temperature == 1 else logits / self.temperature
        return scaled.softmax(1), logits
