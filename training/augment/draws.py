"""This module draws random numbers for a batch, one for each picture, on the device that the pictures are on."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def device_of(pixels: Tensor, generator: Generator | None) -> torch.device:
    """Return where to draw: where the generator is, or else where the pictures are.

    A generator belongs to one device. Torch's global one, which is taken where none is given, has a state for each.
    """
    return pixels.device if generator is None else generator.device


def uniform(count: int, amount: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw numbers uniformly from -amount to amount: float32 [N]. Without a generator, torch's global one draws."""
    return (torch.rand(count, generator=generator, device=device) * 2 - 1) * amount


def chosen(count: int, probability: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Choose each picture with this probability: bool [N]."""
    return torch.rand(count, generator=generator, device=device) < probability


def beta(count: int, alpha: float, generator: Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw from Beta(alpha, alpha): float32 [N] in 0–1.

    A share of two Gamma draws has that distribution. Their logarithms are drawn, as log Gamma(alpha + 1) +
    log(uniform) / alpha (Marsaglia & Tsang 2000, https://doi.org/10.1145/358407.358414), since for a small alpha the
    draws themselves are often below the smallest float.

    Args:
        count: how many.
        alpha: above 0.
        generator, device: as for `uniform`.
    """
    # Metal has no Gamma draws.
    place = torch.device("cpu") if device is not None and device.type == "mps" and generator is None else device
    shapes = torch.full((2, count), alpha + 1, device=place)
    # torch's public Gamma distribution takes no generator.
    gammas = torch._standard_gamma(shapes, generator=generator)
    uniform = torch.rand((2, count), generator=generator, device=place).clamp_min(torch.finfo(torch.float32).tiny)
    logs = gammas.log() + uniform.log() / alpha
    return (logs[0] - logs[1]).sigmoid().to(device or logs.device)


def whole(limits: Tensor, generator: Generator | None) -> Tensor:
    """Draw whole numbers from 0 to each limit, both included: int64, shaped like `limits` and on its device."""
    drawn = torch.rand(limits.shape, generator=generator, device=limits.device)
    return (drawn * (limits + 1)).long().minimum(limits.long())
