"""What a net costs, whatever computes it: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.models.building import build_architecture


@dataclass(frozen=True)
class Cost:
    """Of one picture.

    Attributes:
        parameters: that are learned.
        macs: multiply-accumulates; None where they cannot be counted.
    """

    parameters: int
    macs: int | None

    def __str__(self) -> str:
        macs = "" if self.macs is None else f", {self.macs / 1e6:,.1f} M multiply-accumulates"
        return f"{self.parameters / 1e6:.2f} M parameters{macs}"


def of(contract: Contract) -> Cost | None:
    """The cost of the net in a contract, at its input's size, without its weights.

    None where the registry cannot build it, as for the detector's nets.
    """
    architecture, spec = contract.architecture, contract.inputs[0]
    try:
        with torch.device("meta"):
            net = build_architecture(architecture, spec.channels)
    except InvalidInputError:
        return None
    parameters = sum(parameter.numel() for parameter in net.parameters())
    axes = [size for size in spec.axes if size is not None]
    if spec.free:
        return Cost(parameters, None)
    try:
        return Cost(parameters, count(net, axes))
    except RuntimeError:
        # The net does not take what its contract says: for whoever runs it to refuse, not for who asks its cost.
        return Cost(parameters, None)


def count(net: nn.Module, shape: Sequence[int]) -> int | None:
    """Multiply-accumulates of the convolutions and linear layers for one picture.

    Biases, activations, normalisation and pooling are not counted, as is usual: they are few.

    Args:
        net: maps [1, *shape] to anything; it is run once, on its own device.
        shape: of the picture, [C, H, W].

    Returns:
        None where another layer has weights to multiply with (attention, say), since the sum would be
        too small.
    """
    layers = list(net.modules())
    if any(_multiplies(module) and not isinstance(module, nn.Conv2d | nn.Linear) for module in layers):
        return None
    total = 0

    def add(module: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [module.register_forward_hook(add) for module in layers if isinstance(module, nn.Conv2d | nn.Linear)]
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(torch.zeros(1, *shape, device=device))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return total


def _multiplies(module: nn.Module) -> bool:
    """Whether it has a matrix of its own; vectors only scale or shift."""
    return any(sum(size > 1 for size in value.shape) > 1 for value in module.parameters(recurse=False))
