"""This module guesses the architecture of a state dict from the names and shapes of its tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fer_export import models
from fer_export.errors import FerExportError, InvalidInputError
from fer_export.models import state_dict
from fer_export.models.torchvision_zoo import PREFIX

Shapes = Mapping[str, tuple[int, ...]]

#: A suggestion is made where at least this share of the tensors fits.
GOOD = 0.9
#: Architectures are built with this many classes, which no net has, so tensors of this size belong to the head.
_MARK = 9973
#: A tensor name that only one family of torchvision has → the members to try. Trying all of torchvision takes a minute.
_FAMILIES = {
    "layer1.0.conv1.weight": ("resnet18", "resnet34", "resnet50"),
    "features.denseblock1.denselayer1.norm1.weight": ("densenet121",),
    "features.1.conv.0.0.weight": ("mobilenet_v2",),
    "features.1.block.0.0.weight": ("mobilenet_v3_small", "mobilenet_v3_large"),
    "features.1.0.block.0.0.weight": ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2"),
    "stage2.0.branch1.0.weight": ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0"),
    "classifier.6.weight": ("vgg11", "vgg13", "vgg16", "vgg11_bn", "vgg13_bn", "vgg16_bn", "alexnet"),
    "features.3.squeeze.weight": ("squeezenet1_0", "squeezenet1_1"),
}


@dataclass(frozen=True)
class Match:
    """Say how well a state dict fits an architecture.

    Attributes:
        name: the architecture's name, as `--arch` takes it.
        num_classes: the number of classes by the head's tensors; None where no tensor is like them.
        named: the share of the tensors that have the same name and shape in both, 0–1.
        shaped: the share that have the same shape in both, whatever the name, 0–1.
    """

    name: str
    num_classes: int | None
    named: float
    shaped: float


def nearest(state: Mapping[str, Tensor]) -> Match | None:
    """Return the registered or torchvision architecture that fits best by name, then shape; None where nothing fits."""
    found = _shapes(state_dict.without_prefixes(state))
    candidates = models.names() + [
        PREFIX + name for mark, family in _FAMILIES.items() if mark in found for name in family
    ]
    best: Match | None = None
    for name in candidates:
        match = _match(name, found)
        if match and (best is None or (match.named, match.shaped) > (best.named, best.shaped)):
            best = match
        if best and best.named == 1:
            break
    return best if best and max(best.named, best.shaped) > 0 else None


def num_classes(name: str, state: Mapping[str, Tensor]) -> int | None:
    """Return how many classes a registered architecture needs for the state's head; None where there is no head."""
    return _classes(_signature(name), _shapes(state_dict.without_prefixes(state)))


def suggestion(state: Mapping[str, Tensor]) -> str | None:
    """Return one clause on the nearest architecture, or None where nothing is near."""
    match = nearest(state)
    if match is None:
        return None
    classes = f" with {match.num_classes} classes" if match.num_classes else ""
    if match.named >= GOOD:
        return f"names and shapes are those of {match.name}{classes}: --arch {match.name}"
    if match.named >= 0.5:
        return f"the nearest registered architecture is {match.name}{classes} ({match.named:.0%} of the tensors)"
    if match.shaped >= GOOD:
        return f"the shapes are those of {match.name}{classes}, under other names"
    return None


def command(path: Path, loaded: Any) -> str:
    """Return the command that exports a file without a contract, as far as its tensors determine it."""
    arch, size, labels = "path/to/net.py:factory", "CxHxW", "a,b,c"
    try:
        state = state_dict.find(loaded, str(path)).state
        match = nearest(state)
    except FerExportError:
        match, state = None, {}
    if match and match.named >= GOOD:
        arch, size = match.name, _input(match, state)
        labels = f"LABEL1,…,LABEL{match.num_classes}" if match.num_classes else labels
    return f"fer-export onnx --ckpt {path} --arch {arch} --input {size} --labels {labels}"


def channels(state: Mapping[str, Tensor]) -> int | None:
    """Return the number of input channels of the first convolution; None where there is none."""
    return next((value.shape[1] for value in state.values() if value.ndim == 4), None)


def _input(match: Match, state: Mapping[str, Tensor]) -> str:
    """Return the input's size, such as `1x48x48`, if the net takes exactly one of the usual sizes; else `1xHxW`."""
    count = channels(state) or 1
    if not match.name.startswith(PREFIX) or count != 1:
        takes = [size for size in (48, 64, 96, 224) if _takes(match, count, size)]
        if len(takes) == 1:
            return f"{count}x{takes[0]}x{takes[0]}"
    return f"{count}xHxW"


def _takes(match: Match, count: int, size: int) -> bool:
    try:
        with torch.device("meta"), torch.inference_mode():
            models.build(match.name, num_classes=match.num_classes or 2).eval()(torch.zeros(1, count, size, size))
    except (RuntimeError, InvalidInputError, NotImplementedError):
        return False
    return True


def _match(name: str, found: Shapes) -> Match | None:
    try:
        marked = _signature(name)
    except (InvalidInputError, ImportError):
        return None
    classes = _classes(marked, found)
    wanted = {key: (classes or 0, *shape[1:]) if shape[:1] == (_MARK,) else shape for key, shape in marked.items()}
    most = max(len(wanted), len(found))
    same = sum(found.get(key) == shape for key, shape in wanted.items())
    alike = (Counter(wanted.values()) & Counter(found.values())).total()
    return Match(name, classes, same / most, alike / most)


def _classes(marked: Shapes, found: Shapes) -> int | None:
    heads = {key: shape[1:] for key, shape in marked.items() if shape[:1] == (_MARK,)}
    by_name = [found[key] for key, rest in heads.items() if len(found.get(key, ())) == len(rest) + 1]
    by_shape = [shape for shape in found.values() if len(shape) > 1 and shape[1:] in heads.values()]
    likely = [shape for shape in by_name if shape[1:] in heads.values()] or by_shape[-1:]
    return likely[0][0] if likely else None


@cache
def _signature(name: str) -> Shapes:
    """Return the names and shapes of an architecture's tensors, with `_MARK` classes."""
    try:
        with torch.device("meta"):
            net = models.build(name, num_classes=_MARK)
    except (InvalidInputError, NotImplementedError):
        # Some of torchvision's nets compute their widths with tensors, which the meta device cannot.
        net = models.build(name, num_classes=_MARK)
    return _shapes(net.state_dict())


def _shapes(state: Mapping[str, Tensor]) -> Shapes:
    # Batch norm's counters have no shape, and are missing in some files.
    return {key: tuple(value.shape) for key, value in state.items() if value.ndim}
