"""This module builds any of torchvision's classifiers as `torchvision:NAME`, for gray pictures.

Parameters keep torchvision's names, so recipes can name `features`, `layer4`, `classifier` … as
torchvision's documentation does. https://pytorch.org/vision/stable/models.html
"""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from fer_export.errors import InvalidInputError
from fer_export.models.gray_to_rgb import gray_to_rgb

PREFIX = "torchvision:"
#: These have auxiliary heads that return more outputs in training; they are left out.
_AUXILIARY = ("googlenet", "inception_v3")
#: The arguments by which torchvision downloads weights; a contract from outside must not set them.
_DOWNLOADS = ("weights", "pretrained", "progress")


def classifiers() -> list[str]:
    """Return torchvision's names, sorted: alexnet, convnext_base …"""
    from torchvision import models

    listed: list[str] = models.list_models(module=models)
    return listed


def build(name: str, num_classes: int, **arguments: Any) -> nn.Module:
    """Build a classifier with fresh weights that maps normalised gray [N, 1, H, W] to logits [N, num_classes].

    Args:
        name: torchvision's name, without the prefix: "mobilenet_v3_small".
        num_classes: the number of outputs of the head.
        arguments: arguments of torchvision's own function, such as `dropout`, or `image_size` of a ViT.

    Raises:
        InvalidInputError: the classifier is unknown, or an argument asks for weights.
    """
    from torchvision import models

    if name not in classifiers():
        near = difflib.get_close_matches(name, classifiers(), 3)
        raise InvalidInputError(
            f"torchvision has no classifier named {name!r}",
            hint=f"did you mean {PREFIX}{f', {PREFIX}'.join(near)}?" if near else f"for example {PREFIX}resnet18",
        )
    asked = sorted(set(arguments) & set(_DOWNLOADS))
    if asked:
        raise InvalidInputError(
            f"architecture {PREFIX}{name}: argument {asked[0]} is not taken, nets are built without a download",
            hint="pretrained weights are loaded by the recipe",
        )
    if name in _AUXILIARY:
        arguments = {"aux_logits": False, "init_weights": True, **arguments}
    net: nn.Module = models.get_model(name, weights=None, num_classes=num_classes, **arguments)
    return gray_to_rgb(net)
