"""This module registers torchvision's ResNet-18, as an example of a model from outside."""

from __future__ import annotations

from torch import nn

from fer_export.models.registry import register


@register
def resnet18(num_classes: int) -> nn.Module:
    """Build ResNet-18 (He et al. 2016) as torchvision makes it, with three channels and fresh weights."""
    from torchvision.models import resnet18 as torchvision_resnet18

    net: nn.Module = torchvision_resnet18(weights=None, num_classes=num_classes)
    return net
