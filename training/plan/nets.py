"""This module lists the nets of the plan, and what share of the time each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Net:
    """Describe one net of the plan.

    Attributes:
        name: name of its folder.
        architecture, arguments: as in a recipe.
        seed: seed of its weights, and of its draws where it is trained alone.
        share: weight of its time beside that of the other nets; students have one time together.
        short: start from the packaged net with so many of its blocks in each stage; from random weights where empty.
        packed: whether it is kept where only few files come back.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    share: float = 1.0
    short: tuple[int, ...] = ()
    packed: bool = True


_VGG = {"widths": (64, 128, 256, 384), "blocks": (2, 2, 2, 2), "down": "pool", "dropout": 0.3}
_WIDE = {"widths": (64, 128, 256), "blocks": (2, 2, 2), "dropout": 0.3}
_PATCH = {"widths": (24, 56, 104, 160), "blocks": (1, 1, 1, 1), "stem": "patch", "dropout": 0.1}
_PLAIN = {"widths": (24, 48, 96, 160), "blocks": (3, 3, 4, 2), "dropout": 0.1}
_SHORT = (1, 1, 1)

#: Share of all the time that the teachers have together.
TEACHERS_SHARE = 0.42
TEACHERS = (
    Net("resnet18", "resnet18_gray", {"stem": "small", "dropout": 0.3}, share=0.32, packed=False),
    Net("vgg-0", "conv_stack", _VGG, share=0.19, packed=False),
    Net("vgg-1", "conv_stack", _VGG, seed=1, share=0.19, packed=False),
    Net("fernet-wide-0", "fernet", _WIDE, share=0.15),
    Net("fernet-wide-1", "fernet", _WIDE, seed=1, share=0.15),
)
STUDENTS = (
    Net("fernet-patch-0", "fernet", _PATCH),
    Net("fernet-patch-1", "fernet", _PATCH, seed=1),
    Net("plain", "conv_stack", _PLAIN),
    Net("fernet-short", "fernet", {"blocks": _SHORT, "dropout": 0.1}, short=_SHORT),
)
