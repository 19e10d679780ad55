"""This module builds resnet50: torchvision's ResNet-50 with a head of its own, published with 65.5 % on FER2013.

The architecture is He et al. 2016, https://arxiv.org/abs/1512.03385. The gray channel is repeated to three inside.
Layers: conv1, bn1, layer1 … layer4, and `fc`: linear 2048-512, ReLU, dropout, linear 512-classes
(`fc.0`, `fc.3`). The source says "own head" and no more, so this head is assumed. The net has 24.56 M parameters
and 4,088.2 M multiply-accumulates at 224×224.
"""

from __future__ import annotations

from torch import nn

from fer_export.models.gray_to_rgb import gray_to_rgb
from fer_export.models.registry import register


@register
def resnet50(num_classes: int, dropout: float = 0.5) -> nn.Module:
    """Build ResNet-50 with fresh weights; `load_pretrained` puts in ImageNet's.

    Args:
        num_classes: the number of outputs of `fc`.
        dropout: the dropout between the two linear layers.
    """
    from torchvision.models import resnet50 as torchvision_resnet50

    net: nn.Module = torchvision_resnet50(weights=None)
    net.fc = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(), nn.Dropout(dropout), nn.Linear(512, num_classes))
    return gray_to_rgb(net)
