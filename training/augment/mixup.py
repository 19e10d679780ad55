"""This module does mixup (Zhang et al. 2018, https://arxiv.org/abs/1710.09412)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from training.augment import draws


def mixup_by(pixels: Tensor, targets: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Blend each picture and its target with another's.

    Args:
        pixels: float32 [N, C, H, W].
        targets: float32 [N, classes], distributions.
        partner: int64 [N], the row that is blended in.
        share: [N] in 0–1, weight of the row itself; the partner has the rest.

    Returns:
        Pixels and targets of the same shapes.
    """
    partner, own = partner.to(pixels.device), share.to(pixels)
    return (
        pixels[partner].lerp_(pixels, own[:, None, None, None]),
        targets[partner].lerp_(targets, own.to(targets)[:, None]),
    )


def mixup(
    pixels: Tensor, targets: Tensor, alpha: float, *, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Blend each picture with one drawn from the batch, by a share that is drawn from Beta(alpha, alpha).

    The paper's own code draws one share for the whole batch. One for each picture has the same mean and less spread.

    Args:
        pixels: float32 [N, C, H, W].
        targets: float32 [N, classes].
        alpha: parameter of the Beta distribution; the paper uses 0.1–0.4 for ImageNet. 0 changes nothing.
        generator: source of the draws; torch's global one where None.
    """
    if not alpha:
        return pixels, targets
    count, place = len(pixels), draws.device_of(pixels, generator)
    # Sorting drawn numbers shuffles on any device without the host.
    partner = torch.rand(count, generator=generator, device=place).argsort()
    return mixup_by(pixels, targets, partner, draws.beta(count, alpha, generator, place))
