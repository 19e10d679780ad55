"""This module builds resnet18_gray: torchvision's ResNet-18 with a first convolution of one channel.

The architecture is He et al. 2016, https://arxiv.org/abs/1512.03385. Layers: conv1, bn1, layer1 … layer4, and `fc`,
which is dropout and a linear layer (`fc.1`). The net has 11.17 M parameters and 1,734.9 M multiply-accumulates
at 224×224.
"""

from __future__ import annotations

from torch import nn

from fer_export.models.registry import register


@register
def resnet18_gray(num_classes: int, dropout: float = 0.5, stem: str = "large") -> nn.Module:
    """Build ResNet-18 for gray pictures with fresh weights; `load_pretrained` puts in ImageNet's.

    Args:
        num_classes: the number of outputs of `fc`.
        dropout: the dropout before the linear layer.
        stem: `large`, 7×7 with stride 2 and a max-pool, as published for 224×224; `small`, 3×3 at full size, as is
            usual for small pictures. ImageNet's weights fit the large one.
    """
    if stem not in ("large", "small"):
        raise ValueError(f"no stem {stem!r}: large or small")
    from torchvision.models import resnet18

    net: nn.Module = resnet18(weights=None)
    net.conv1 = gray_conv1() if stem == "large" else nn.Conv2d(1, 64, 3, padding=1, bias=False)
    if stem == "small":
        net.maxpool = nn.Identity()
    net.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(512, num_classes))
    return net


def gray_conv1() -> nn.Conv2d:
    """Build a ResNet's first convolution for one channel, initialised as in torchvision's ResNets."""
    conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    nn.init.kaiming_normal_(conv1.weight, mode="fan_out", nonlinearity="relu")
    return conv1
