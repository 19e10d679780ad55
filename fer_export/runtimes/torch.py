"""The reference: the module itself, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.contract import Contract
from fer_export.runtimes import Answers, Pixels, Runtime, by_input, channels_first, channels_last
from fer_export.runtimes.registry import Resources, runtime

if TYPE_CHECKING:
    from torch import nn


class TorchRuntime:
    """Runs an `nn.Module` whose outputs come in the order of the contract's."""

    name = "torch"

    def __init__(self, module: nn.Module, contract: Contract) -> None:
        self.module = module.eval()
        self.contract = contract

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last."""
        import torch

        parts = by_input(pixels, self.contract.inputs[0].name).values()
        with torch.inference_mode():
            answers = self.module(*(torch.from_numpy(channels_first(part)) for part in parts))
        named = zip(self.contract.outputs, answers, strict=True)
        return {output.name: channels_last(answer.numpy()) for output, answer in named}


@runtime("torch", "torch")
@contextmanager
def open_checkpoint(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a checkpoint of an architecture of this project."""
    from fer_export.formats import checkpoint

    loaded = checkpoint.load(path)
    yield TorchRuntime(loaded.module(), loaded.contract)
