"""This module builds the net that a contract names."""

from __future__ import annotations

from torch import nn

from fer_export.contract import Architecture
from fer_export.errors import InvalidInputError
from fer_export.models import torchvision_zoo
from fer_export.models.registry import build


def build_architecture(architecture: Architecture, channels: int) -> nn.Module:
    """Build a net of the registry with fresh weights, for pictures with this number of channels.

    Raises:
        InvalidInputError: the architecture is code outside this project, unknown, or called with wrong arguments.
    """
    name = architecture.name
    if architecture.foreign:
        code = f"path/to/{name}" if ".py:" in name else name
        raise InvalidInputError(
            f"{name} is code outside this project, which is not imported because a file says so",
            hint=f"if you trust it, name it again: fer-export onnx --ckpt FILE --arch {code}",
        )
    net = build(name, **architecture.arguments)
    if channels == 3 and name.startswith(torchvision_zoo.PREFIX):
        # torchvision_zoo adds a hook that repeats a gray channel three times; these pictures are RGB.
        net._forward_pre_hooks.clear()
    return net
