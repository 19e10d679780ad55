"""torchvision:NAME: any of torchvision's classifiers by its name there, for gray pictures.

Parameters keep torchvision's names, so recipes address `features`, `layer4`, `classifier` … as
torchvision's documentation does. https://pytorch.org/vision/stable/models.html
"""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from fer_export.errors import InvalidInputError
from fer_export.models.gray_to_rgb import gray_to_rgb

PREFIX = "torchvision:"
#: These have auxiliary heads, which answer in training beside the main one; they are left out.
_AUXILIARY = ("googlenet", "inception_v3")
#: torchvision's ways to ask for a download; a contract from outside must not be able to.
_DOWNLOADS = ("weights", "pretrained", "progress")


def classifiers() -> list[str]:
    """torchvision's names, sorted: alexnet, convnext_base …"""
    from torchvision import models

    listed: list[str] = models.list_models(module=models)
    return listed


def build(name: str, num_classes: int, **arguments: Any) -> nn.Module:
    """A classifier with fresh weights that maps normalised gray [N, 1, H, W] to logits [N, num_classes].

    Args:
        name: torchvision's, without the prefix: "mobilenet_v3_small".
        num_classes: outputs of the head.
        arguments: for torchvision's own function, such as `dropout`, or `image_size` of a ViT.

    Raises:
        InvalidInputError: no such classifier, or an argument that asks for weights.
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
