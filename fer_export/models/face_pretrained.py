"""This module builds face_pretrained: facenet-pytorch's Inception-ResNet-v1, for pretrained face weights.

The architecture is Szegedy et al. 2016, https://arxiv.org/abs/1602.07261. Its weights were trained for face
recognition as in FaceNet, https://arxiv.org/abs/1503.03832, on VGGFace2, https://arxiv.org/abs/1710.08092. The
gray channel is repeated to three inside. Layers: conv2d_1a … conv2d_4b, repeat_1, mixed_6a, repeat_2, mixed_7a,
repeat_3, block8, last_linear, last_bn (the 512 features) and `logits`, the head. The net has 23.49 M parameters
and 1,417.7 M multiply-accumulates at 160×160, the size of its pretraining; pictures have at least 75×75.
"""

from __future__ import annotations

from torch import nn

from fer_export.models.gray_to_rgb import gray_to_rgb
from fer_export.models.registry import register


@register
def face_pretrained(num_classes: int, dropout: float = 0.6) -> nn.Module:
    """Build Inception-ResNet-v1 with fresh weights; `load_pretrained` puts in VGGFace2's.

    Args:
        num_classes: the number of outputs of `logits`.
        dropout: the dropout before last_linear; facenet-pytorch's default is 0.6.
    """
    from facenet_pytorch import InceptionResnetV1

    net: nn.Module = InceptionResnetV1(pretrained=None, classify=True, num_classes=num_classes, dropout_prob=dropout)
    return gray_to_rgb(net)
