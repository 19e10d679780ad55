"""This module builds face_emotion_cnn_attention: face_emotion_cnn with CBAM in the deeper half of its trunk.

CBAM (Woo et al. 2018, https://arxiv.org/abs/1807.06521) follows the batch norm of
convolutions 5, 6 and 7, on maps of 34×34×128, 15×15×256 and 5×5×256, before the max-pool. The
source that names this variant gives neither the place nor the kind of its attention, so both are
chosen here. Its published figure equals the baseline's. The net has 1.66 M parameters and 202.1 M
multiply-accumulates.
"""

from __future__ import annotations

from torch import Tensor, nn

from fer_export.models.attention import Cbam
from fer_export.models.face_emotion_cnn import FaceEmotionCnn
from fer_export.models.registry import register

_CHANNELS = {5: 128, 6: 256, 7: 256}


class FaceEmotionCnnAttention(FaceEmotionCnn):
    """Map gray faces, 48×48, to log-probabilities; the attention layers are `cnn5_attention` to `cnn7_attention`."""

    def __init__(self, num_classes: int, dropout: float = 0.3, reduction: int = 16) -> None:
        super().__init__(num_classes, dropout)
        for index, channels in _CHANNELS.items():
            self.add_module(f"cnn{index}_attention", Cbam(channels, reduction))

    def attend(self, index: int, x: Tensor) -> Tensor:
        """Weight [N, C, H, W] by channel and by place after convolutions 5, 6 and 7."""
        if index not in _CHANNELS:
            return x
        attended: Tensor = self.get_submodule(f"cnn{index}_attention")(x)
        return attended


@register
def face_emotion_cnn_attention(num_classes: int, dropout: float = 0.3, reduction: int = 16) -> nn.Module:
    """Build the CNN with CBAM after its last three batch norms; `reduction` is CBAM's."""
    return FaceEmotionCnnAttention(num_classes, dropout, reduction)
