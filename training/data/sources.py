"""This module reads what a recipe's `data` names: rows to train on, and rows that choose the epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fer_export.errors import InvalidInputError, UsageError
from training.data import classes, drawn, fer2013, ferplus, folder, splits, voc
from training.data.aliases import canonical
from training.data.faces import PUBLIC, Faces
from training.data.translate import blended
from training.recipe import Data


@dataclass(frozen=True)
class Split:
    """Hold the rows to train on and the rows that choose the epoch.

    Attributes:
        train, check: labelled rows; no row is in both.
        name: name of the checked rows' split, for metrics.
        notes: what was left out or changed, a sentence each.
    """

    train: Faces
    check: Faces
    name: str
    notes: tuple[str, ...] = ()


def load_faces(
    kind: str,
    path: Path | None,
    *,
    protocol: str = "majority",
    size: int = 48,
    channels: int = 1,
    crop: Literal["box", "align"] = "box",
    share: float = 0.1,
    seed: int = 0,
    skip_bad: bool = False,
) -> Faces:
    """Read all rows of one data set, including those without a label.

    Args:
        kind: fer2013, ferplus, folder, voc or drawn.
        path: where the data set is; `drawn` needs none.
        protocol: how FER+ votes become targets.
        size, channels: those of the pictures, for data sets of any size.
        crop: how faces are cut out of VOC photos.
        share, seed: what is held out of folders and VOC photos that have no validation part of their own.
        skip_bad: leave out invalid rows and files, with a warning.

    Raises:
        UsageError: there is no path where one is needed, or the kind is unknown.
        InvalidInputError: the data is invalid.
    """
    if kind == "drawn":
        return drawn.draw_faces()
    if path is None:
        raise UsageError(f"data of the kind {kind} has to be somewhere", hint="--data FOLDER")
    if kind == "fer2013":
        return fer2013.read_faces(path, skip_bad=skip_bad)
    if kind == "ferplus":
        return ferplus.faces(path, protocol, skip_bad=skip_bad)
    if kind == "folder":
        return folder.read_faces(path, size=size, channels=channels, share=share, seed=seed, skip_bad=skip_bad)
    if kind == "voc":
        return voc.read_faces(path, size=size, channels=channels, crop=crop, share=share, seed=seed, skip_bad=skip_bad)
    raise UsageError(f"no data of the kind {kind}", hint="fer2013, ferplus, folder, voc or drawn")


def load_split(data: Data, folders: Mapping[str, Path], *, size: int = 48, channels: int = 1, seed: int = 0) -> Split:
    """Load the rows to train on and the rows to check.

    Args:
        data: settings from the recipe.
        folders: folders from `--data`, by name; `main` is the nameless one.
        size, channels: those of the pictures, for data sets of any size.
        seed: seed of what is shuffled or held out.

    Raises:
        UsageError, InvalidInputError: the data is missing or invalid.
    """
    path = folders.get(data.source)
    if path is None and data.source != "main" and data.kind != "drawn":
        raise UsageError(f"this recipe also wants pictures named {data.source}", hint=f"--data {data.source}=FOLDER")

    train, check, name = _split(data, _read(data, path, size, channels, seed), seed)
    notes = []
    votes = next((part.protocol for part in (data, data.other) if part and part.kind == "ferplus"), "majority")
    if data.split == "usage" and votes != "majority":
        # The check always uses the majority protocol, which is the one that others report.
        check = _read(data, path, size, channels, seed, protocol="majority").of(PUBLIC).labelled()
    if data.drop_leaks != "no":
        train, dropped = splits.drop_leaks(train, check, near=data.drop_leaks == "near")
        notes.append(f"{dropped} training pictures that copy a checked one ({data.drop_leaks}) were left out")
    if data.other is not None and data.other.translated and train.other is not None:
        share = data.other.translated
        mixed = blended(train.targets, train.other.targets, share)
        train = replace(train, other=replace(train.other, targets=mixed))
        notes.append(f"{share:.0%} of the targets by {data.other.kind} are translated from {data.kind}")
    return Split(train, check, name, tuple(notes))


def limited(split: Split, count: int) -> Split:
    """Keep the first `count` rows of each side, classes taken in turn, for a quick trial."""
    return replace(
        split,
        train=_some(split.train, count),
        check=_some(split.check, count),
        notes=(*split.notes, f"only {count} pictures, for trying out"),
    )


def relabelled(split: Split, labels: tuple[str, ...]) -> Split:
    """Return the same rows with their labels in another order; labels without a row may be added.

    Labels are matched by what they mean (`training/data/aliases.py`).

    Raises:
        InvalidInputError: the rows have a label that is not among `labels`.
    """
    return replace(split, train=relabelled_faces(split.train, labels), check=relabelled_faces(split.check, labels))


def relabelled_faces(faces: Faces, labels: tuple[str, ...]) -> Faces:
    """Return the rows with the labels of a net, in its order, matched by name or else by what they mean.

    Raises:
        InvalidInputError: the rows have a label that is not among `labels`.
    """
    if faces.labels == labels:
        return faces
    known = {canonical(label): index for index, label in enumerate(labels)}
    known |= {label: index for index, label in enumerate(labels)}
    columns = [known.get(label, known.get(canonical(label))) for label in faces.labels]
    unknown = [label for label, column in zip(faces.labels, columns, strict=True) if column is None]
    if unknown:
        raise InvalidInputError(
            f"{faces.name}: label {', '.join(unknown)} is unknown to the net", hint=f"its labels: {', '.join(labels)}"
        )
    targets = torch.zeros(len(faces), len(labels))
    for index, column in enumerate(columns):
        assert column is not None
        targets[:, column] += faces.targets[:, index]
    return replace(faces, labels=labels, targets=targets)


def _read(data: Data, path: Path | None, size: int, channels: int, seed: int, *, protocol: str | None = None) -> Faces:
    """Read all rows of a recipe's data, by `protocol` in place of its own where one is given."""
    everything = load_faces(
        data.kind,
        path,
        protocol=protocol or data.protocol,
        size=size,
        channels=channels,
        crop=data.crop,
        share=data.share,
        seed=seed,
        skip_bad=data.skip_bad,
    )
    if data.other is not None:
        second = protocol or data.other.protocol
        everything = everything.joined(load_faces(data.other.kind, path, protocol=second, skip_bad=data.skip_bad))
    return classes.merge(everything, data.merge) if data.merge else everything


def _split(data: Data, everything: Faces, seed: int) -> tuple[Faces, Faces, str]:
    # Folders and VOC photos bring their own validation part, or were given one when they were read.
    if data.split == "usage" or data.kind in ("folder", "voc"):
        train, check = splits.by_usage(everything)
        name = str(check.split[0])
    else:
        train, check = splits.shuffled(everything, data.share, seed)
        name = f"{data.share:.0%} of Training and PublicTest, shuffled with seed {seed}"
        check = replace(check, split=np.full(len(check), name))
    train, check = train.labelled(), check.labelled()
    for rows, what in ((train, "to train on"), (check, "to check")):
        if not len(rows):
            raise InvalidInputError(f"{everything.name}: no labelled row {what}")
        empty = [label for label, count in rows.counts().items() if not count]
        if empty:
            warnings.warn(f"{everything.name}: no row {what} is labelled {', '.join(empty)}", stacklevel=3)
    return train, check, name


def _some(faces: Faces, count: int) -> Faces:
    chosen = faces.classes.numpy()
    turns = np.full(len(chosen), len(chosen))
    for label in range(len(faces.labels)):
        rows = chosen == label
        turns[rows] = np.arange(rows.sum())
    mask = np.zeros(len(chosen), bool)
    mask[np.argsort(turns, kind="stable")[:count]] = True
    return faces.rows(mask)
