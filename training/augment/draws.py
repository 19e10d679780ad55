"""This module draws random numbers for a batch, one for each picture; without a generator, from torch's global one."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def uniform(count: int, amount: float, generator: Generator | None) -> Tensor:
    """Draw numbers uniformly from -amount to amount: float32 [N]."""
    return (torch.rand(count, generator=generator) * 2 - 1) * amount


def chosen(count: int, probability: float, generator: Generator | None) -> Tensor:
    """Choose each picture with this probability: bool [N]."""
    return torch.rand(count, generator=generator) < probability


def whole(limits: Tensor, generator: Generator | None) -> Tensor:
    """Draw whole numbers from 0 to each limit, both included: int64, shaped like `limits`."""
    return (torch.rand(limits.shape, generator=generator) * (limits + 1)).long().minimum(limits.long())
