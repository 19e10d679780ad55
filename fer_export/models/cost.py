"""This module computes what a net costs on any runtime: parameters and multiply-accumulates."""

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
    """Hold the cost of one picture.

    Attributes:
        parameters: the number of learned parameters.
        macs: the number of multiply-accumulates; None where they cannot be counted.
    """

    parameters: int
    macs: int | None

    def __str__(self) -> str:
        macs = "" if self.macs is None else f", {self.macs / 1e6:,.1f} M multiply-accumulates"
        return f"{self.parameters / 1e6:.2f} M parameters{macs}"


def of(contract: Contract) -> Cost | None:
    """Return the cost of a contract's net at its input's size; its weights are not needed.

    The result is None where the registry cannot build the net, as for the detector's nets.
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
        # The net does not accept the input that its contract states. Running it reports that; counting need not.
        return Cost(parameters, None)


def count(net: nn.Module, shape: Sequence[int]) -> int | None:
    """Count the multiply-accumulates of the convolutions and linear layers for one picture.

    Biases, activations, normalisation and pooling are not counted, as is usual: they are few.

    Args:
        net: maps [1, *shape] to any output; it is run once, on its own device.
        shape: the picture's shape, [C, H, W].

    Returns:
        The count, or None where another layer multiplies by weights (attention, for example), since the sum
        would be too small.
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
    """Return whether a module has a matrix of its own; vectors only scale or shift."""
    return any(sum(size > 1 for size in value.shape) > 1 for value in module.parameters(recurse=False))
