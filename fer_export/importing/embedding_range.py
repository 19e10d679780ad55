"""How high a net's whole numbers may go, where it looks them up in a table: measured by running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fer_export.contract import Contract
from fer_export.convert.dynamo import blank

#: What looks rows up, and where it has their numbers and the table (or its size): place and name of the argument.
_LOOKUPS: dict[Callable[..., Any], tuple[tuple[int, str], tuple[int, str]]] = {
    functional.embedding: ((0, "input"), (1, "weight")),
    functional.embedding_bag: ((0, "input"), (1, "weight")),
    functional.one_hot: ((0, "tensor"), (1, "num_classes")),
    torch.embedding: ((1, "indices"), (0, "weight")),
    torch.Tensor.__getitem__: ((1, "index"), (0, "self")),
}


def highest(net: nn.Module, contract: Contract) -> dict[str, int]:
    """The last row of the smallest table that each integer input is looked up in; of those that are looked up.

    The net runs with 0 everywhere, then with 1 in one input after the other: a lookup whose row numbers change
    depends on that input, and how high they are at 0 is how far the net itself shifts them.

    Args:
        net: takes the contract's inputs, channels first; what it does with any number but 0 and 1 is not tried.
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
    """Keeps each lookup's row numbers, and how many rows its table has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in _LOOKUPS:
            rows, table = (args[place] if place < len(args) else named.get(name) for place, name in _LOOKUPS[func])
            size = len(table) if isinstance(table, Tensor) and table.ndim else table
            # Not a mask, a slice, or as many classes as there happen to be.
            if isinstance(rows, Tensor) and rows.numel() and not rows.is_floating_point() and rows.dtype != torch.bool:
                self.found += [(rows.clone(), size)] if isinstance(size, int) and size > 0 else []
        return func(*args, **named)


def _lookups(net: nn.Module, inputs: list[Tensor]) -> list[tuple[Tensor, int]]:
    """Those of one run. A net that fails tells its error to whoever runs it in earnest."""
    recorder = _Recorder()
    try:
        with torch.inference_mode(), recorder:
            net.eval()(*inputs)
    except Exception:  # somebody's code may raise anything
        return []
    return recorder.found
