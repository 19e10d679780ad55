"""The reference: the module itself, in float32."""

from __future__ import annotations

import torch
from torch import nn

from fer_export.contract import Contract
from fer_export.runtimes import Answers, Pixels, by_input, channels_first, channels_last


class TorchRuntime:
    """Runs an `nn.Module` whose outputs come in the order of the contract's."""

    name = "torch"

    def __init__(self, module: nn.Module, contract: Contract) -> None:
        self.module = module.eval()
        self.contract = contract

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last."""
        parts = by_input(pixels, self.contract.inputs[0].name).values()
        with torch.inference_mode():
            answers = self.module(*(torch.from_numpy(channels_first(part)) for part in parts))
        named = zip(self.contract.outputs, answers, strict=True)
        return {output.name: channels_last(answer.numpy()) for output, answer in named}
