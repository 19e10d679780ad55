"""This module builds gray_resnet50: ResNet-50 whose first convolution takes one channel and is learned.

The architecture is He et al. 2016, https://arxiv.org/abs/1512.03385. Its recipe has a stage 0 in which only `conv1` is
learned, so that the embeddings of gray pictures come close to those of the ImageNet net
(`training.fit.pretrained.embedding_teacher`). Layers: conv1, bn1, layer1 … layer4, and `fc`, which is
dropout and a linear layer (`fc.1`). The net has 23.52 M parameters and 4,008.5 M multiply-accumulates at
224×224.
"""

from __future__ import annotations

from torch import Tensor, nn

from fer_export.models.registry import register
from fer_export.models.resnet18_gray import gray_conv1


class GrayResNet50(nn.Module):
    """Hold torchvision's layers under their own names, and give access to the embedding."""

    def __init__(self, num_classes: int, dropout: float = 0.0) -> None:
        from torchvision.models import resnet50

        super().__init__()
        net = resnet50(weights=None)
        net.conv1 = gray_conv1()
        net.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(2048, num_classes))
        for name, layer in net.named_children():
            self.add_module(name, layer)

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, H, W] to pooled features [N, 2048]."""
        for name, layer in self.named_children():
            if name != "fc":
                x = layer(x)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, H, W] to logits [N, classes]."""
        logits: Tensor = self.get_submodule("fc")(self.embed(x))
        return logits


@register
def gray_resnet50(num_classes: int, dropout: float = 0.0) -> nn.Module:
    """Build ResNet-50 for gray pictures with fresh weights; `dropout` is the one before the head."""
    return GrayResNet50(num_classes, dropout)
