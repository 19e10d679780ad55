"""What a recipe's `data` means: pictures, targets and the rows that choose the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fer_export import fer2013
from fer_export.errors import InvalidInputError
from training.data import drawn, ferplus


@dataclass(frozen=True)
class Source:
    """One data set, in memory.

    Attributes:
        name, protocol, split: for the contract.
        labels: class names in order.
        pixels, targets: uint8 [N, 1, H, W] and float32 [N, classes], each row a distribution.
        check_pixels, check_labels: uint8 [M, 1, H, W] and int64 [M], the rows that choose the epoch.
    """

    name: str
    protocol: str
    split: str
    labels: tuple[str, ...]
    pixels: Tensor
    targets: Tensor
    check_pixels: Tensor
    check_labels: Tensor


def load(name: str, data: Path | None) -> Source:
    """Load a source.

    Args:
        name: `ferplus` or `drawn`.
        data: the folder that holds fer2013.csv (plain or packed) and fer2013new.csv.

    Raises:
        InvalidInputError: no data where some is needed, or data that does not hold.
    """
    if name == "drawn":
        return _drawn()
    if data is None:
        raise InvalidInputError(f"recipe data {name} needs FER2013", hint="make train DATA=folder RECIPE=ferplus")
    return _ferplus(data)


def find_fer2013(folder: Path) -> Path:
    """The FER2013 file in a folder (or the file itself)."""
    if folder.is_file():
        return folder
    for pattern in ("fer2013.csv*", "icml_face_data.csv*", "train.csv*"):
        for path in sorted(folder.glob(pattern)):
            return path
    raise InvalidInputError(
        f"{folder} holds no fer2013.csv",
        hint="FER2013: https://www.kaggle.com/datasets/msambare/fer2013 or the ICML 2013 challenge page",
    )


def _ferplus(data: Path) -> Source:
    path = find_fer2013(data)
    faces = fer2013.read(path)
    votes = ferplus.read_votes(path.parent / "fer2013new.csv")
    if len(votes) < len(faces.pixels):
        raise InvalidInputError(
            f"{len(faces.pixels)} pictures and only {len(votes)} rows of votes: they are joined by row position"
        )
    votes = votes[: len(faces.pixels)]
    targets, classes = ferplus.soft(votes), ferplus.majority(votes)
    train = faces.split("Training") & (targets.sum(1) > 0)
    check = faces.split("PublicTest") & (classes >= 0)
    return Source(
        name="FER2013 pictures with FER+ votes",
        protocol="trained on vote distributions, single votes dropped; checked by Microsoft's majority protocol",
        split="PublicTest",
        labels=ferplus.LABELS,
        pixels=torch.from_numpy(faces.pixels[train])[:, None],
        targets=torch.from_numpy(targets[train]),
        check_pixels=torch.from_numpy(faces.pixels[check])[:, None],
        check_labels=torch.from_numpy(classes[check]),
    )


def _drawn() -> Source:
    pixels, labels = drawn.faces(4000, seed=0)
    check_pixels, check_labels = drawn.faces(500, seed=1)
    return Source(
        name="drawn faces (training/data/drawn.py), for trying out",
        protocol="drawn labels",
        split="drawn, another seed",
        labels=drawn.LABELS,
        pixels=torch.from_numpy(pixels)[:, None],
        targets=torch.from_numpy(np.eye(len(drawn.LABELS), dtype=np.float32)[labels]),
        check_pixels=torch.from_numpy(check_pixels)[:, None],
        check_labels=torch.from_numpy(check_labels),
    )
