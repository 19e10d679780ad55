"""A pretended GPU: torch keeps shapes and devices and computes nothing, and whatever the host waits for is noted.

On a CUDA device, reading a number, picking rows by a mask and copying between host and device all make the host wait.
Each of them is seen here on a machine without a GPU, so a test can promise that a training step has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

#: Operations whose result the host has to know, by value or by shape.
_READS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item", "equal")


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        given = [part for arg in args for part in (arg if isinstance(arg, list | tuple) else [arg])]
        tensors = [part for part in given if isinstance(part, Tensor)]
        cuda = any(tensor.device.type == "cuda" for tensor in tensors)
        if cuda and name.rstrip("_2").rstrip("_") in _READS:
            self.waits.append(name)
        if name in ("index", "index_put", "index_put_") and cuda:
            indices = [one for one in args[1] if one is not None]
            if any(one.device.type == "cpu" or one.dtype == torch.bool for one in indices):
                self.waits.append(f"{name} by a mask or by numbers of the host")
        result = func(*args, **kwargs)
        if name in ("_to_copy", "copy_"):
            # The first of copy_ is where it is copied to.
            ends = [tensor.device.type for tensor in ([*tensors, result] if name == "_to_copy" else tensors)]
            if len(set(ends)) > 1:
                self.waits.append(f"{name} from {ends[-1 if name == 'copy_' else 0]}")
        return result


@contextmanager
def pretended_gpu() -> Iterator[list[str]]:
    """Pretend a CUDA device; yields the list that grows by each operation that would make the host wait."""
    watch = _Watch()
    with FakeTensorMode(allow_non_fake_inputs=True), watch:
        yield watch.waits
