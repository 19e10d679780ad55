"""This module reads folders by class: `train/<class>/*` with or without `test/<class>/*`, or just `<class>/*`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fer_export.errors import InvalidInputError
from fer_export.faces.photo import load_photo
from training.data import pictures
from training.data.aliases import canonical, in_order
from training.data.faces import TRAINING, Faces, one_hot
from training.data.pictures import Pixels, SkippedWarning

LAYOUT = "the layout is train/<class>/*.jpg with or without val/<class>/*.jpg, or just <class>/*.jpg"


@dataclass(frozen=True)
class _File:
    path: Path
    label: str
    split: str


def read_faces(
    folder: Path,
    *,
    size: int = 48,
    channels: int = 1,
    share: float = 0.1,
    seed: int = 0,
    skip_bad: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Faces:
    """Read pictures of any size, gray or colour, from a folder by class.

    Folder names go through `aliases.canonical`; folders that mean the same class are one class.
    train → Training; val, valid, validation or test → PublicTest; test beside a validation folder →
    PrivateTest. Without a validation folder a share of the training pictures becomes PublicTest,
    chosen by their content, so that copies stay on one side (`pictures.hold_out`). Class folders are
    read with all that is below them; files beside the class folders are left alone.

    Each picture is turned upright by its EXIF orientation, cut to its centre square and resized with
    antialiasing (`pictures.resize`). No more than two pictures are held at full size.

    Args:
        folder: the folder.
        size: side of the pictures that come out, in pixels.
        channels: 1 for gray by ITU-R BT.601, 3 for RGB.
        share: share of the pictures held out where there is no validation folder, 0 ≤ share < 1.
        seed: seed of that choice.
        skip_bad: leave out pictures that cannot be read, with a `SkippedWarning` for each.
        progress: called with (done, all) after each picture.

    Returns:
        Faces with pixels uint8 [N, channels, size, size] and `where` relative to the folder.

    Raises:
        InvalidInputError: not a folder, no class, an empty class, a class that is not in train, or a
            picture that cannot be read; it names the folder or file.
        UsageError: a setting is out of its range.
    """
    pictures.check_settings(size, channels, share)
    files = _files(folder)
    pixels = torch.empty((len(files), channels, size, size), dtype=torch.uint8)
    kept: list[_File] = []
    keys: list[bytes] = []
    bad: list[InvalidInputError] = []
    # Closing it on an error stops the threads from reading pictures that nobody will use.
    with closing(_pictures(files, size, channels)) as answers:
        for done, (file, answer) in enumerate(zip(files, answers, strict=True), 1):
            if isinstance(answer, InvalidInputError):
                if not skip_bad:
                    raise InvalidInputError(
                        answer.reason, hint="take it out, or leave such out: --skip-bad, --set data.skip_bad=true"
                    )
                bad.append(answer)
            else:
                pixels[len(kept)] = torch.from_numpy(answer[0])
                kept.append(file)
                keys.append(answer[1])
            if progress is not None:
                progress(done, len(files))
    for error in bad:
        warnings.warn(SkippedWarning(f"skipped: {error.reason}"), stacklevel=2)
    lost = {(file.label, file.split) for file in files} - {(file.label, file.split) for file in kept}
    if lost:
        label, part = min(lost)
        raise InvalidInputError(f"{folder}: class {label} is empty in {part}: none of its pictures can be read")

    labels = in_order(file.label for file in kept)
    classes = np.array([labels.index(file.label) for file in kept], np.int64)
    split = np.array([file.split for file in kept], dtype="U11")
    how = pictures.complete_split(split, keys, classes, share, seed)
    return Faces(
        name=f"image folder {folder.resolve().name}",
        protocol=f"labels are the folders' names; validation: {how}",
        labels=labels,
        pixels=pixels[: len(kept)],
        targets=one_hot(classes, len(labels)),
        split=split,
        where=tuple(file.path.relative_to(folder).as_posix() for file in kept),
    )


def _files(folder: Path) -> list[_File]:
    pictures.require_folder(folder)
    parts = _folders(folder)
    splits = pictures.given_splits(path.name for path in parts)
    if not splits:
        return _classes(folder, TRAINING)
    others = [path.name for path in parts if path.name not in splits]
    if others:
        beside = " and ".join(splits)
        raise InvalidInputError(f"{folder}: folder {others[0]} beside {beside} is no part of the data", hint=LAYOUT)
    files = [file for path in parts for file in _classes(path, splits[path.name])]
    learned = {file.label for file in files if file.split == TRAINING}
    for file in files:
        if learned and file.label not in learned:
            place = file.path.relative_to(folder).parts
            raise InvalidInputError(f"{folder}: {place[0]}/{place[1]} is a class that train does not have")
    return files


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _classes(folder: Path, split: str) -> list[_File]:
    files = []
    for place in _folders(folder):
        found = pictures.find(place)
        if not found:
            raise InvalidInputError(
                f"{place} is an empty class: it holds no picture", hint=f"remove the folder or fill it; {pictures.READ}"
            )
        files += [_File(path, canonical(place.name), split) for path in found]
    if not files:
        raise InvalidInputError(f"{folder} holds no folder of a class", hint=LAYOUT)
    return files


def _pictures(files: Sequence[_File], size: int, channels: int) -> Generator[tuple[Pixels, bytes] | InvalidInputError]:
    """Yield each file's pixels [channels, size, size] and fingerprint in order, or why it cannot be read."""

    def one(file: _File) -> tuple[Pixels, bytes] | InvalidInputError:
        try:
            photo = pictures.centre(load_photo(file.path))
        except InvalidInputError as error:
            return error
        return pictures.resize(photo, size, channels), pictures.fingerprint(photo)

    pool = ThreadPoolExecutor(2)
    try:
        yield from pool.map(one, files)
    finally:
        pool.shutdown(cancel_futures=True)
