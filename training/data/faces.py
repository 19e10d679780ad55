"""This module defines labelled pictures in memory, which every reader returns and every later step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer_export.errors import InvalidInputError

TRAINING, PUBLIC, PRIVATE = "Training", "PublicTest", "PrivateTest"
#: Name of a split that holds all rows but those of PrivateTest, for pictures that a net was not trained on.
ALL = "all"


@dataclass(frozen=True)
class Labelling:
    """Hold another set of labels for the same rows; the fields are those of `Faces`."""

    name: str
    protocol: str
    labels: tuple[str, ...]
    targets: Tensor


@dataclass(frozen=True)
class Faces:
    """Hold rows of one data set, in its order.

    Attributes:
        name: name of the data set, for the contract.
        protocol: how the labels were made from what the file holds, for the contract.
        labels: class names in order.
        pixels: uint8 [N, C, H, W]; C is 1 for gray, 3 for RGB.
        targets: float32 [N, classes]: one-hot or a distribution of votes; zeros where a row has no label.
        split: str [N]: Training, PublicTest or PrivateTest.
        where: N strings that lead back to the source: "fer2013.csv, row 7", "train/happy/3.jpg".
        other: a second set of labels; None where the rows have one set alone.
    """

    name: str
    protocol: str
    labels: tuple[str, ...]
    pixels: Tensor
    targets: Tensor
    split: npt.NDArray[np.str_]
    where: tuple[str, ...]
    other: Labelling | None = None

    def __post_init__(self) -> None:
        count = len(self.pixels)
        assert {len(self.targets), len(self.split), len(self.where)} == {count}
        assert self.targets.shape[1] == len(self.labels)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def classes(self) -> Tensor:
        """Return the most likely class of each row, int64 [N]; -1 for a row without a label."""
        return torch.where(self.targets.sum(1) > 0, self.targets.argmax(1), -1)

    def rows(self, mask: npt.NDArray[np.bool_]) -> Faces:
        """Return only the rows that a mask [N] selects."""
        chosen = torch.from_numpy(np.ascontiguousarray(mask))
        where = tuple(place for place, kept in zip(self.where, mask, strict=True) if kept)
        other = self.other and replace(self.other, targets=self.other.targets[chosen])
        return replace(
            self,
            pixels=self.pixels[chosen],
            targets=self.targets[chosen],
            split=self.split[mask],
            where=where,
            other=other,
        )

    def labelled(self) -> Faces:
        """Return only the rows that have a label, in either set if there are two."""
        there = self.targets.sum(1) > 0
        if self.other is not None:
            there |= self.other.targets.sum(1) > 0
        return self.rows(there.numpy())

    def joined(self, faces: Faces) -> Faces:
        """Return the same rows with the labels of `faces` as their second set.

        Raises:
            InvalidInputError: `faces` does not hold the same rows.
        """
        if self.where != faces.where or not torch.equal(self.pixels, faces.pixels):
            raise InvalidInputError(
                f"{self.name} and {faces.name} are not the same pictures row by row",
                hint="two sets of labels in one recipe need them: FER2013 and FER+ of one file, nothing skipped",
            )
        return replace(self, other=Labelling(faces.name, faces.protocol, faces.labels, faces.targets))

    def by_other(self) -> Faces:
        """Return the rows with the second set of labels in place of the first."""
        assert self.other is not None
        return replace(self, **vars(self.other), other=None)

    def of(self, split: str) -> Faces:
        """Return only the rows of one split.

        Raises:
            InvalidInputError: no row belongs to it.
        """
        mask = self.split == split
        if not mask.any():
            there = ", ".join(sorted(set(self.split.tolist())))
            raise InvalidInputError(f"{self.name}: no row belongs to {split}", hint=f"there is: {there}")
        return self.rows(mask)

    def counts(self) -> Mapping[str, int]:
        """Count the rows of each label."""
        classes = self.classes
        found = torch.bincount(classes[classes >= 0], minlength=len(self.labels)).tolist()
        return dict(zip(self.labels, found, strict=True))


def one_hot(classes: npt.NDArray[np.int64], count: int) -> Tensor:
    """Convert classes, int64 [N] with -1 for none, to one-hot targets, float32 [N, count]."""
    targets = np.zeros((len(classes), count), np.float32)
    there = classes >= 0
    targets[there, classes[there]] = 1
    return torch.from_numpy(targets)
