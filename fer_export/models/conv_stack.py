"""This module builds conv_stack: 3×3 convolutions one after the other, without shortcuts, and a mean over all places.

With `down="pool"` it is a VGG (Simonyan & Zisserman 2015, https://arxiv.org/abs/1409.1556) with batch norm, and a
global mean in place of its large linear layers (Lin et al. 2014, https://arxiv.org/abs/1312.4400). With `down="stride"`
the convolutions themselves halve the size. With its default widths it has 0.72 M parameters and 27.3 M
multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fer_export.models.registry import register


class ConvStack(nn.Module):
    """Apply stages of convolutions with batch norm and ReLU, a mean over all places, dropout and one linear head.

    Args:
        num_classes: the number of outputs.
        widths: the channels of each stage; each stage halves the size.
        blocks: the number of convolutions in each stage.
        down: `stride`: the first convolution of a stage has stride 2; `pool`: a max-pool ends the stage.
        channels: the channels of the picture.
        dropout: the dropout before the head, 0–1.
    """

    def __init__(
        self,
        num_classes: int,
        widths: Sequence[int] = (24, 48, 96, 160),
        blocks: Sequence[int] = (3, 3, 4, 2),
        down: str = "stride",
        channels: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths):
            raise ValueError(f"{len(widths)} widths and {len(blocks)} numbers of blocks")
        if down not in ("stride", "pool"):
            raise ValueError(f"no way down {down!r}: stride or pool")
        layers: list[nn.Module] = []
        inputs = channels
        for width, count in zip(widths, blocks, strict=True):
            for number in range(count):
                stride = 2 if down == "stride" and not number else 1
                layers += [nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            if down == "pool":
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures [N, C, 48, 48] to logits [N, classes]."""
        logits: Tensor = self.head(self.dropout(self.features(x).mean((2, 3))))
        return logits


@register
def conv_stack(
    num_classes: int,
    widths: Sequence[int] = (24, 48, 96, 160),
    blocks: Sequence[int] = (3, 3, 4, 2),
    down: str = "stride",
    channels: int = 1,
    dropout: float = 0.1,
) -> nn.Module:
    """Build conv_stack; `ConvStack` explains the arguments."""
    return ConvStack(num_classes, widths, blocks, down, channels, dropout)
