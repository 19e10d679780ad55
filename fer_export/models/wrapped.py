"""This module wraps a net for export that is not a plain classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.models.classifier import Normalize


class Wrapped(nn.Module):
    """Run a net with the normalisation of each input before it and, where it ends in logits, a softmax after it.

    Args:
        net: takes one tensor for each input, normalised pictures or plain values, and returns tensors in any nest
            of tuples, lists and dicts.
        contract: names the outputs. Where `probabilities` come before `logits`, they are the softmax of those;
            all others are the net's own floating-point outputs in its order.
        temperature: the number that divides the logits before softmax.
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
        """Map pictures [N, C, H, W], 0–255, or values [N, C, …], for each input, to the contract's outputs in order."""
        answers = [tensor for _, tensor in self.named(*pixels) if tensor.is_floating_point()]
        if self.logits is None:
            return tuple(answers)
        logits = answers[self.logits]
        scaled = logits if self.temperature == 1 else logits / self.temperature
        return scaled.softmax(1), *answers

    def named(self, *pixels: Tensor) -> list[tuple[str, Tensor]]:
        """Return all of the net's own outputs in order, each with a name made of keys and positions."""
        normalised = [normalize(each) for normalize, each in zip(self.normalize, pixels, strict=True)]
        return flatten(self.net(*normalised))


def flatten(answer: Any, name: str = "output") -> list[tuple[str, Tensor]]:
    """Return all tensors in a nest of tuples, lists, dicts and dataclasses, in order; None is left out.

    Raises:
        InvalidInputError: the nest holds something else.
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
