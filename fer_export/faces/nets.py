"""This module holds the three nets of the cascade as plain functions, so that any runtime can provide them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
#: A function from pixels, NHWC float32 0–255, to outputs by name, channels last.
Net = Callable[[Array], Mapping[str, Array]]


@dataclass(frozen=True)
class Nets:
    """Hold the three nets.

    P-Net [N, H, W, 3] → `probabilities` [N, h, w, 2] and `boxes` [N, h, w, 4], stride 2, cell 12.

    R-Net [N, 24, 24, 3] → `probabilities` [N, 2], `boxes` [N, 4].
    O-Net [N, 48, 48, 3] → the same and `landmarks` [N, 10], five x and then five y.
    """

    pnet: Net
    rnet: Net
    onet: Net


@cache
def torch_nets() -> Nets:
    """Return facenet-pytorch's nets in torch, on the CPU."""
    return Nets(_torch("pnet"), _torch("rnet"), _torch("onet"))


def _torch(name: str) -> Net:
    import torch

    from fer_export.models.mtcnn import stage

    # Faster on a CPU by a third or more; landmarks differ by at most 4e-5 px.
    module = stage(name).to(memory_format=torch.channels_last)
    names = ("probabilities", "boxes", "landmarks")

    def net(pixels: Array) -> dict[str, Array]:
        with torch.inference_mode():
            answers = module(torch.from_numpy(pixels.transpose(0, 3, 1, 2)))
        return {key: np.moveaxis(answer.numpy(), 1, -1) for key, answer in zip(names, answers, strict=False)}

    return net
