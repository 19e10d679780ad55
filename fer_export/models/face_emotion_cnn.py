"""This module builds face_emotion_cnn, the plain seven-convolution net that many FER+ demos start from.

It has convolutions 1-8-16-32-64-128-256-256 of 3×3 without padding, batch norm after each, max-pools of
2×2 (four of stride 1, three of stride 2), dropout, linear 1024-512-256-classes, log-softmax. The
layers keep the names that published checkpoints of this net use, so that their state dicts load.
1.64 M parameters and 201.9 M multiply-accumulates.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from fer_export.models.registry import register

_CHANNELS = (1, 8, 16, 32, 64, 128, 256, 256)
_POOL_STRIDES = (1, 1, 1, 1, 2, 2, 2)
_DROPPED = (2, 4, 6, 7)


class FaceEmotionCnn(nn.Module):
    """Map gray faces, 48×48, to log-probabilities; the sizes are 48-45-42-39-36-17-7-2, then 2·2·256 features."""

    def __init__(self, num_classes: int, dropout: float = 0.3) -> None:
        super().__init__()
        for index, (inputs, outputs) in enumerate(pairwise(_CHANNELS), 1):
            self.add_module(f"cnn{index}", nn.Conv2d(inputs, outputs, 3))
            self.add_module(f"cnn{index}_bn", nn.BatchNorm2d(outputs))
        self.fc1 = nn.Linear(1024, 512)
        self.fc2 = nn.Linear(512, 256)
        self.fc3 = nn.Linear(256, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, 1, 48, 48] to log-probabilities [N, classes]."""
        for index, stride in enumerate(_POOL_STRIDES, 1):
            x = self.get_submodule(f"cnn{index}")(x)
            if index in _DROPPED:
                x = self.dropout(x)
            x = self.get_submodule(f"cnn{index}_bn")(x)
            x = self.attend(index, x)
            x = functional.max_pool2d(x, 2, stride).relu()
        x = x.flatten(1)
        x = self.fc1(self.dropout(x)).relu()
        x = self.fc2(self.dropout(x)).relu()
        logits: Tensor = self.fc3(x)
        return logits.log_softmax(1)

    def attend(self, index: int, x: Tensor) -> Tensor:
        """Return [N, C, H, W] unchanged; subclasses put attention here, after the batch norm of convolution `index`."""
        return x


@register
def face_emotion_cnn(num_classes: int, dropout: float = 0.3) -> nn.Module:
    """Build the plain CNN: seven convolutions, three linear layers, log-softmax."""
    return FaceEmotionCnn(num_classes, dropout)
