"""This module holds what the readers of pictures share: finding, squaring, cropping, and splitting by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fer_export.contract import Crop, Point
from fer_export.data.fer2013 import SkippedWarning
from fer_export.errors import InvalidInputError, UsageError
from fer_export.faces.align import TEMPLATE_48, grid_to_photo
from fer_export.faces.face import Face
from fer_export.faces.photo import Photo
from fer_export.faces.sampling import sample
from training.data.faces import PRIVATE, PUBLIC, TRAINING

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
READ = "read are jpg, png, bmp, webp, gif, tiff, pgm and ppm"

_TRAIN = ("train", "training")
_VALIDATION = ("val", "valid", "validation", "publictest")
_TEST = ("test", "testing")

__all__ = ["SkippedWarning"]

Pixels = npt.NDArray[np.uint8]


def find(folder: Path) -> list[Path]:
    """Find all pictures in a folder and below, by suffix (`SUFFIXES`), sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not hidden(path.relative_to(folder)) and path.is_file()
    )


def hidden(path: Path) -> bool:
    """Return whether a part of a path, relative to the folder that is read, hides it: ".idea", "__MACOSX"."""
    # __MACOSX is what macOS adds to the archives it makes.
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def centre(photo: Photo) -> Photo:
    """Cut out the centre square, uint8 [S, S, 3]; an odd pixel is dropped on the right or below."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def resize(photo: Photo, size: int, channels: int) -> Pixels:
    """Resize a picture to size×size.

    Gray is ITU-R BT.601 luma, rounded. Pillow's bilinear filter widens with the reduction, so that
    nothing aliases, and it does not ring; of Pillow's filters it is the nearest to the sampling rule
    of deployed crops. A gray picture that already has the size is not changed.

    Args:
        photo: uint8 RGB [H, W, 3]; a photo that is not square is squeezed, so take its `centre` first.
        size: side of the result, in pixels.
        channels: 1 for gray, 3 for RGB.

    Returns:
        uint8 [channels, size, size].
    """
    image = Image.fromarray(np.ascontiguousarray(photo)).convert("L" if channels == 1 else "RGB")
    small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), np.uint8)
    return small.reshape(size, size, channels).transpose(2, 0, 1).copy()


def fingerprint(photo: Photo) -> bytes:
    """Hash what a picture shows: SHA-256 of its pixels as 48×48 gray.

    The hash is the same for copies under other names, in other lossless formats, and for gray copies of colour
    pictures, and does not depend on the size that is read. A copy that was compressed again has another one.
    """
    return hashlib.sha256(resize(photo, 48, 1).tobytes()).digest()


def crop_rule(size: int) -> Crop:
    """Return the deployed crop rule for a grid of size×size: MTCNN's mean landmarks on FER2013, scaled."""
    scale = size / 48
    points: list[Point] = [(x * scale, y * scale) for x, y in TEMPLATE_48]
    return Crop(template=(points[0], points[1], points[2], points[3], points[4]))


def crop_face(photo: Photo, face: Face, size: int, channels: int) -> Pixels:
    """Crop one face of a photo with the geometry and sampling of deployed crops, rounded to bytes.

    It is aligned by its landmarks where it has them; otherwise the square around its box is cut out.

    Args:
        photo: uint8 RGB [H, W, 3].
        face: box and landmarks in the photo's pixels.
        size, channels: those of the crop.

    Returns:
        uint8 [channels, size, size].

    Raises:
        InvalidInputError: `photo` is no photo, or the face has no extent.
    """
    values = sample(photo, grid_to_photo(face, crop_rule(size), size, size), size, size, gray=channels == 1)
    return np.ascontiguousarray(values.round().clip(0, 255).astype(np.uint8).transpose(2, 0, 1))


def check_settings(size: int, channels: int, share: float) -> None:
    """Refuse settings that no reader supports.

    Raises:
        UsageError: size under 8 or over 1024, channels other than 1 and 3, a share outside [0, 1).
    """
    if not 8 <= size <= 1024:
        raise UsageError(f"size is 8 to 1024 pixels, not {size}")
    if channels not in (1, 3):
        raise UsageError(f"channels are 1 for gray or 3 for RGB, not {channels}")
    if not 0 <= share < 1:
        raise UsageError(f"the validation share is 0 or more and less than 1, not {share:g}")


def given_splits(names: Iterable[str]) -> dict[str, str]:
    """Map the names of folders or lists that stand for a split: "train" → Training, "val" → PublicTest.

    "test" alone is PublicTest. Beside a validation part it is PrivateTest, for the final measurement.
    """
    lower = {name: name.lower() for name in names}
    test = PRIVATE if set(lower.values()) & set(_VALIDATION) else PUBLIC
    meaning = {
        **dict.fromkeys(_TRAIN, TRAINING),
        **dict.fromkeys(_VALIDATION, PUBLIC),
        **dict.fromkeys(_TEST, test),
        "privatetest": PRIVATE,
    }
    return {name: meaning[plain] for name, plain in lower.items() if plain in meaning}


def hold_out(keys: Sequence[bytes], classes: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose the rows that are held out for validation by their content alone.

    Rows with the same key are one group and go to one side, whatever their classes. Groups are sorted
    by the SHA-256 of seed and key, and the first `share` of each class is held out: at least one
    where a class has two, never all. A group of several classes counts for its rarest one. File names
    and the order of rows do not matter.

    Args:
        keys: N hashes of content, see `fingerprint`.
        classes: int64 [N].
        share: share of the groups, 0 ≤ share < 1.
        seed: seed of the choice.

    Returns:
        bool [N].
    """
    counts = np.bincount(classes)
    rarest: dict[bytes, int] = {}
    for key, label in zip(keys, classes.tolist(), strict=True):
        rarest[key] = min(rarest.get(key, label), label, key=lambda one: (counts[one], one))
    chosen: set[bytes] = set()
    for label in set(rarest.values()):
        groups = [key for key, own in rarest.items() if own == label]
        groups.sort(key=lambda key: hashlib.sha256(f"{seed}:".encode() + key).digest())
        wanted = max(1, round(share * len(groups))) if share > 0 else 0
        chosen.update(groups[: min(wanted, len(groups) - 1)])
    return np.array([key in chosen for key in keys], np.bool_)


def complete_split(
    split: npt.NDArray[np.str_], keys: Sequence[bytes], classes: npt.NDArray[np.int64], share: float, seed: int
) -> str:
    """Hold a share of the Training rows out as PublicTest, in place, where the data has no such part of its own.

    Args:
        split: str [N], wide enough for the names of splits; it is changed.
        keys, classes, share, seed: as for `hold_out`.

    Returns:
        How the validation rows were chosen, in words, for the protocol.
    """
    if PUBLIC in split or TRAINING not in split:
        return "as the data set says"
    if not share:
        return "none"
    train = np.flatnonzero(split == TRAINING).tolist()
    split[np.array(train)[hold_out([keys[row] for row in train], classes[train], share, seed)]] = PUBLIC
    return f"{share:g} of the pictures by content, seed {seed}"


def require_folder(folder: Path) -> None:
    """Refuse what is not a folder.

    Raises:
        InvalidInputError: the path is a file, or does not exist.
    """
    if not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is not a folder" if folder.exists() else f"no folder {folder}",
            hint="give the folder that holds the pictures",
        )
