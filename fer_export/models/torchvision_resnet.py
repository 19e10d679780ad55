"""torchvision's ResNet-18, so that a model from outside goes down the same route."""

from __future__ import annotations

from torch import nn

from fer_export.models.registry import register


@register
def resnet18(num_classes: int) -> nn.Module:
    """ResNet-18 (He et al. 2016) as torchvision makes it, three channels, fresh weights."""
    from torchvision.models import resnet18 as torchvision_resnet18

    net: nn.Module = torchvision_resnet18(weights=None, num_classes=num_classes)
    return net
