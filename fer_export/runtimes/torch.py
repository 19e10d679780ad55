"""This module runs the reference: the module itself, in torch, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.contract import Contract
from fer_export.runtimes import Inputs, Outputs, Runtime, channels_first, channels_last
from fer_export.runtimes.registry import Resources, runtime

if TYPE_CHECKING:
    from torch import nn


class TorchRuntime:
    """Run an `nn.Module` whose outputs are in the order of the contract's."""

    name = "torch"

    def __init__(self, module: nn.Module, contract: Contract) -> None:
        self.module = module.eval()
        self.contract = contract

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name."""
        import torch

        parts = [channels_first(inputs[spec.name]) for spec in self.contract.inputs]
        with torch.inference_mode():
            answers = self.module(*(torch.from_numpy(part) for part in parts))
        named = zip(self.contract.outputs, answers, strict=True)
        return {output.name: channels_last(answer.numpy()) for output, answer in named}


@runtime("torch", "torch")
@contextmanager
def open_checkpoint(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a checkpoint whose architecture belongs to this project."""
    from fer_export.formats import checkpoint

    loaded = checkpoint.load_checkpoint(path)
    yield TorchRuntime(loaded.module(), loaded.contract)
