"""This module builds MTCNN's three nets with their normalisation, from facenet-pytorch's packaged weights.

Source: Zhang et al. 2016, https://arxiv.org/abs/1604.02878. All take RGB 0–255, [N, 3, H, W].
"""

from __future__ import annotations

from torch import Tensor, nn

from fer_export.contract import Normalization
from fer_export.models.classifier import Normalize

#: facenet-pytorch computes (x - 127.5) · 0.0078125.
NORMALIZATION = Normalization(mean=(127.5,) * 3, std=(128.0,) * 3)
STAGES = ("pnet", "rnet", "onet")


class Stage(nn.Module):
    """Run one of the three nets: pixels in; face probability, box offsets and, from O-Net, landmarks out."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.normalize = Normalize(NORMALIZATION)
        self.net = net

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Map [N, 3, H, W], 0–255, to probabilities [N, 2, …], boxes [N, 4, …] and, for O-Net, landmarks [N, 10].

        facenet-pytorch's nets return boxes first and probabilities last.
        """
        answers: tuple[Tensor, ...] = self.net(self.normalize(pixels))
        return answers[-1], *answers[:-1]


def stage(name: str) -> Stage:
    """Build `pnet`, `rnet` or `onet`, in eval mode, with facenet-pytorch's weights."""
    from facenet_pytorch.models import mtcnn

    net = {"pnet": mtcnn.PNet, "rnet": mtcnn.RNet, "onet": mtcnn.ONet}[name]()
    return Stage(net).eval()
