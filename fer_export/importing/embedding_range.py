"""This module measures the largest numbers that a net can look up in its embedding tables, by running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fer_export.contract import Contract
from fer_export.convert.dynamo import blank

#: Functions that look up rows, with position and name of two arguments: the row numbers, and the table (or its size).
_LOOKUPS: dict[Callable[..., Any], tuple[tuple[int, str], tuple[int, str]]] = {
    functional.embedding: ((0, "input"), (1, "weight")),
    functional.embedding_bag: ((0, "input"), (1, "weight")),
    functional.one_hot: ((0, "tensor"), (1, "num_classes")),
    torch.embedding: ((1, "indices"), (0, "weight")),
    torch.Tensor.__getitem__: ((1, "index"), (0, "self")),
}


def highest(net: nn.Module, contract: Contract) -> dict[str, int]:
    """Return the largest row number that each integer input may hold, for inputs that are looked up in a table.

    The net runs with 0 everywhere, then with 1 in one input after the other. A lookup whose row numbers change
    depends on that input, and its row numbers at 0 show the offset that the net adds. The smallest table counts.

    Args:
        net: takes the contract's inputs, channels first; it is run with the numbers 0 and 1 only.
    """
    inputs = contract.inputs
    zeros = [torch.zeros_like(each) for each in blank(contract, None)]
    whole = [place for place, spec in enumerate(inputs) if spec.dtype in ("int32", "int64")]
    base = _lookups(net, zeros) if whole else []
    found: dict[str, int] = {}
    for place in whole:
        ones = [torch.ones_like(each) if at == place else each for at, each in enumerate(zeros)]
        probed = _lookups(net, ones)
        if len(probed) != len(base):
            continue
        rows = [
            size - 1 - int(before.max())
            for (before, size), (after, _) in zip(base, probed, strict=True)
            if before.shape == after.shape and not torch.equal(before, after)
        ]
        if rows:
            found[inputs[place].name] = min(rows)
    return found


class _Recorder(TorchFunctionMode):
    """Record each lookup's row numbers and the number of rows of its table."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in _LOOKUPS:
            rows, table = (args[place] if place < len(args) else named.get(name) for place, name in _LOOKUPS[func])
            size = len(table) if isinstance(table, Tensor) and table.ndim else table
            # Masks, slices, and one_hot without a fixed number of classes are no lookups.
            if isinstance(rows, Tensor) and rows.numel() and not rows.is_floating_point() and rows.dtype != torch.bool:
                self.found += [(rows.clone(), size)] if isinstance(size, int) and size > 0 else []
        return func(*args, **named)


def _lookups(net: nn.Module, inputs: list[Tensor]) -> list[tuple[Tensor, int]]:
    """Return the lookups of one run; none where the net fails, since the real run reports that."""
    recorder = _Recorder()
    try:
        with torch.inference_mode(), recorder:
            net.eval()(*inputs)
    except Exception:  # somebody's code may raise anything
        return []
    return recorder.found
