"""Random numbers for a batch, one for each picture."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def uniform(count: int, amount: float, generator: Generator | None) -> Tensor:
    """float32 [N] in ± `amount`; torch's global generator where none is given."""
    return (torch.rand(count, generator=generator) * 2 - 1) * amount


def chosen(count: int, probability: float, generator: Generator | None) -> Tensor:
    """bool [N]."""
    return torch.rand(count, generator=generator) < probability


def whole(limits: Tensor, generator: Generator | None) -> Tensor:
    """int64 like `limits`: whole numbers from 0 to each limit, both included."""
    return (torch.rand(limits.shape, generator=generator) * (limits + 1)).long().minimum(limits.long())
