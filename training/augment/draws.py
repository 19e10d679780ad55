"""Random numbers for a batch, one for each picture, drawn on the device that the pictures are on."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def device_of(pixels: Tensor, generator: Generator | None) -> torch.device:
    """Return where to draw: where the generator is, or else where the pictures are.

    A generator belongs to one device. Torch's global one, which is taken where none is given, has a state for each.
    """
    return pixels.device if generator is None else generator.device


def uniform(count: int, amount: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw float32 [N] in ± `amount`; by torch's global generator where none is given."""
    return (torch.rand(count, generator=generator, device=device) * 2 - 1) * amount


def chosen(count: int, probability: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw bool [N], true with the given probability."""
    return torch.rand(count, generator=generator, device=device) < probability


def whole(limits: Tensor, generator: Generator | None) -> Tensor:
    """Draw int64 like `limits`, on its device: whole numbers from 0 to each limit, both included."""
    drawn = torch.rand(limits.shape, generator=generator, device=limits.device)
    return (drawn * (limits + 1)).long().minimum(limits.long())
