"""The module that is exported where a net is no plain classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.models.classifier import Normalize


class Wrapped(nn.Module):
    """A net with the normalisation of each input before it and, where it ends in logits, a softmax behind.

    Args:
        net: normalised pictures, or values as they are, one tensor for each input → tensors in any nest of tuples,
            lists and dicts.
        contract: names its outputs. Where `probabilities` stand before `logits`, they are their softmax;
            all others are the net's own floating-point answers in its order.
        temperature: by which the logits are divided for the softmax.
    """

    def __init__(self, net: nn.Module, contract: Contract, temperature: float = 1.0) -> None:
        super().__init__()
        self.normalize = nn.ModuleList(
            Normalize(spec.normalization) if spec.kind == "picture" else nn.Identity() for spec in contract.inputs
        )
        self.net = net
        self.temperature = temperature
        names = [output.name for output in contract.outputs]
        appended = names[0] == "probabilities" and "logits" in names
        self.logits = names.index("logits") - 1 if appended else None

    def forward(self, *pixels: Tensor) -> tuple[Tensor, ...]:
        """Pictures [N, C, H, W], 0–255, or values [N, C, …], for each input → the contract's outputs in order."""
        answers = [tensor for _, tensor in self.named(*pixels) if tensor.is_floating_point()]
        if self.logits is None:
            return tuple(answers)
        logits = answers[self.logits]
        scaled = logits if self.temperature == 1 else logits / self.temperature
        return scaled.softmax(1), *answers

    def named(self, *pixels: Tensor) -> list[tuple[str, Tensor]]:
        """All of the net's own answers in their order, each with a name made of keys and positions."""
        normalised = [normalize(each) for normalize, each in zip(self.normalize, pixels, strict=True)]
        return flatten(self.net(*normalised))


def flatten(answer: Any, name: str = "output") -> list[tuple[str, Tensor]]:
    """All tensors in a nest of tuples, lists, dicts and dataclasses, in order; None is passed over.

    Raises:
        InvalidInputError: something else is among them.
    """
    if answer is None:
        return []
    if isinstance(answer, Tensor):
        return [(name, answer)]
    if isinstance(answer, Mapping):
        parts = [(str(key), value) for key, value in answer.items()]
    elif isinstance(answer, tuple) and hasattr(answer, "_fields"):
        parts = list(zip(answer._fields, answer, strict=True))
    elif isinstance(answer, list | tuple):
        parts = [(f"{name}_{index}", value) for index, value in enumerate(answer)]
    elif dataclasses.is_dataclass(answer):
        parts = [(entry.name, getattr(answer, entry.name)) for entry in dataclasses.fields(answer)]
    else:
        raise InvalidInputError(f"the net answers a {type(answer).__name__}, which holds no tensors by name or order")
    return [found for key, value in parts for found in flatten(value, key)]
