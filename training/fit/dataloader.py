"""This module serves pictures from memory in whole batches; with many processes each takes its share of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from fer_export.errors import InvalidInputError


class InMemory(Dataset[tuple[Tensor, ...]]):
    """Hold tensors of the same length, and return whole batches of rows at a time.

    Args:
        tensors: of the same length.
        device: the device to keep them on; None leaves them where they are.
    """

    def __init__(self, *tensors: Tensor, device: torch.device | None = None) -> None:
        self.tensors = tensors if device is None else tuple(tensor.to(device) for tensor in tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, rows: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[rows] for tensor in self.tensors)


class Rows(Sampler[list[int] | Tensor]):
    """Yield the row numbers of one process's share of each batch.

    The order depends on seed and epoch alone, so that any number of processes sees the same batches,
    and a resumed run the ones it would have seen.

    Args:
        count: number of rows.
        size: rows in a batch, over all processes.
        seed: seed of the order. Where None, rows come in order, and the last batch may be smaller.
        rank, world: number of this process, and how many there are.
        weights: [count], how often a row is drawn, with replacement; each once where None.
        views: how many versions of each row there are: version v of row r is row v · count + r. Each epoch
            takes another version of a row, until all were seen.
        device: the device of the data, where the row numbers are moved once an epoch.
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
        weights: Tensor | None = None,
        views: int = 1,
        device: torch.device | None = None,
    ) -> None:
        if seed is not None and (size % world or count < size):
            raise InvalidInputError(
                f"{count} pictures in batches of {size} cannot be shared by {world} process(es)",
                hint="--set stages.0.batch=… to a multiple of the processes, not above the number of pictures",
            )
        self.count, self.size, self.seed, self.rank, self.world = count, size, seed, rank, world
        self.weights, self.views, self.device = weights, views, device
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. Lightning calls this before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.size if self.seed is not None else -(-self.count // self.size)

    def __iter__(self) -> Iterator[list[int] | Tensor]:
        order = self._order()
        if self.views > 1:
            # Each row starts with another view, so that a batch mixes the views.
            order = order + self.count * ((order + self.epoch) % self.views)
        order = order.to(self.device) if self.device is not None else order
        for batch in range(len(self)):
            rows = order[batch * self.size : (batch + 1) * self.size]
            own = rows[self.rank :: self.world]
            yield own if own.is_cuda else own.tolist()

    def _order(self) -> Tensor:
        if self.seed is None:
            return torch.arange(self.count)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is not None:
            return torch.multinomial(self.weights.double(), self.count, replacement=True, generator=generator)
        return torch.randperm(self.count, generator=generator)


def home(tensors: Sequence[Tensor], device: torch.device) -> torch.device:
    """Return where the data of a run lies: on the GPU that trains, where it fills less than half of what is free."""
    if device.type != "cuda":
        return torch.device("cpu")
    free, _ = torch.cuda.mem_get_info(device)
    fits = sum(tensor.nbytes for tensor in tensors) < free / 2
    return device if fits else torch.device("cpu")


def loader(dataset: InMemory, rows: Rows) -> DataLoader[tuple[Tensor, ...]]:
    """Return a loader that slices whole batches out of memory."""
    return DataLoader(dataset, sampler=rows, batch_size=None)
