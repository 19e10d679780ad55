"""This module sends small face pictures through the page's detection and crop, and caches what the cascade found.

A 48×48 picture becomes a photo as a camera would deliver it: its edge pixels are repeated by a quarter of the side all
around, then it is enlarged four times, bicubic. The cascade searches that photo with the page's settings, and the
largest face is used. Its landmarks are kept in the coordinates of the 48×48 picture, where pixel column j covers
[j, j + 1], so that crops by any rule can be made from them.
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fer_export.contract import Cascade, Crop
from fer_export.data.fer2013 import SIZE, cache_folder
from fer_export.errors import InvalidInputError
from fer_export.faces import cascade
from fer_export.faces.align import grid_to_photo
from fer_export.faces.face import Face
from fer_export.faces.photo import Photo
from fer_export.faces.sampling import Affine, subsamples
from fer_export.files import replacing
from training.augment.warp import warp

#: The padding on each side, as a share of the picture's side; and how many times it is then enlarged.
PADDING, ENLARGEMENT = 0.25, 4
#: Part of the cache's key. Raise it when `fer_export.faces.cascade` or `photo` changes so that landmarks differ.
VERSION = 1
#: How many pictures' landmarks are written at once; a run that is killed loses at most these.
CHUNK = 256

_PAD = round(PADDING * SIZE)
_SIDE = (SIZE + 2 * _PAD) * ENLARGEMENT
_BATCH = 16
_DAMAGE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
Points = npt.NDArray[np.float32]


def photo(picture: Tensor) -> Photo:
    """Turn a picture, uint8 [1, 48, 48], into the photo that the cascade searches: uint8 RGB [288, 288, 3]."""
    return np.repeat(_enlarged(picture)[..., None], 3, axis=2)


def landmarks(
    pixels: Tensor, *, settings: Cascade = cascade.DEFAULT, progress: Callable[[int], object] | None = None
) -> Tensor:
    """Find the five landmarks of the largest face in each picture with the cascade.

    Landmarks that were found before are read from `cache_folder()`, by the picture's bytes and the settings. New ones
    are written there in chunks, so that a run that was stopped goes on. Several processes may fill it at once.

    Args:
        pixels: uint8 [N, 1, 48, 48].
        settings: settings of the cascade, in pixels of the enlarged photo; the page's own by default.
        progress: called with the number of pictures that were just done.

    Returns:
        float32 [N, 5, 2]: x and y of left eye, right eye, nose, left and right mouth corner as seen in the picture, in
        pixels of the 48×48 picture; NaN where no face is found.

    Raises:
        InvalidInputError: the pictures have another type or size.
    """
    _check(pixels)
    folder = _cache_path(settings)
    known = _read(folder)
    keys = [hashlib.sha256(picture.numpy().tobytes()).digest() for picture in pixels]
    missing = list({key: row for row, key in enumerate(keys) if key not in known}.items())
    if progress:
        progress(len(keys) - len(missing))
    for start in range(0, len(missing), CHUNK):
        found: dict[bytes, Points] = {}
        try:
            for key, row in missing[start : start + CHUNK]:
                found[key] = _largest(photo(pixels[row]), settings)
                if progress:
                    progress(1)
        finally:
            _keep(found, folder)
        known |= found
    if not keys:
        return torch.empty(0, 5, 2)
    return torch.from_numpy(np.stack([known[key] for key in keys]))


def crops(pixels: Tensor, points: Tensor, rule: Crop, size: tuple[int, int] = (SIZE, SIZE)) -> Tensor:
    """Return the crops that the deployed page would make of the pictures, rounded to bytes.

    The rule "area-bilinear/1" is computed in single precision and in batches. That is many times faster than
    `fer_export.faces.align.crop`, and differs by one gray level at most, where a value lies between two levels.

    Args:
        pixels: uint8 [N, 1, 48, 48].
        points: landmarks from `landmarks`, float [N, 5, 2]; every row must have a face.
        rule: the crop rule of the classifier's contract.
        size: height and width of its grid.

    Returns:
        uint8 [N, 1, *size].

    Raises:
        InvalidInputError: the pictures have another type or size, or a row has no face.
    """
    _check(pixels)
    if not points.isfinite().all():
        raise InvalidInputError(
            f"{int((~points.isfinite()).any(2).any(1).sum())} of {len(points)} pictures have no face to crop",
            hint="only rows whose landmarks are finite",
        )
    height, width = size
    affines = [_grid_to_photo(five, rule, height, width) for five in points.tolist()]
    steps = torch.tensor([subsamples(affine) for affine in affines], dtype=torch.long)
    result = torch.empty(len(pixels), 1, height, width, dtype=torch.uint8)
    # All pictures of a batch are read with k×k points a pixel, so pictures are batched by the k that they need.
    for k in torch.unique(steps).tolist():
        for rows in torch.split((steps == k).nonzero()[:, 0], _BATCH):
            photos = torch.from_numpy(np.stack([_enlarged(pixels[row]) for row in rows.tolist()]))[:, None]
            maps = torch.from_numpy(np.stack([_from_middle(affines[row], height, width) for row in rows.tolist()]))
            read = warp(photos, maps, size=(height * k, width * k))
            result[rows] = avg_pool2d(read, k).round().clamp(0, 255).to(torch.uint8)
    return result


def _enlarged(picture: Tensor) -> npt.NDArray[np.uint8]:
    """Pad and enlarge a picture: gray uint8 [288, 288]."""
    padded = np.pad(picture[0].numpy(), _PAD, mode="edge")
    return np.asarray(Image.fromarray(padded).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


def _grid_to_photo(points: Sequence[Sequence[float]], rule: Crop, height: int, width: int) -> Affine:
    a, b, c, d, e = (((x + _PAD) * ENLARGEMENT, (y + _PAD) * ENLARGEMENT) for x, y in points)
    low, high = float(_PAD * ENLARGEMENT), float((_PAD + SIZE) * ENLARGEMENT)
    # The box is used only if all five points lie in one place; then the crop is the picture itself.
    return grid_to_photo(Face((low, low, high, high), landmarks=(a, b, c, d, e)), rule, height, width)


def _from_middle(affine: Affine, height: int, width: int) -> Points:
    """Return the map from grid to photo that `warp` takes: float32 [3, 3], in the photo's pixels from its middle."""
    grid = np.diag([width / _SIDE, height / _SIDE, 1.0])
    grid[:2, 2] = width / 2, height / 2
    whole = np.vstack([affine, [0.0, 0.0, 1.0]]) @ grid
    whole[:2, 2] -= _SIDE / 2
    return whole.astype(np.float32)


def _largest(whole: Photo, settings: Cascade) -> Points:
    """Return the landmarks of the largest face, float32 [5, 2] in pixels of the picture; NaN where there is none."""
    faces = cascade.detect(whole, settings=settings)
    if not faces:
        return np.full((5, 2), np.nan, np.float32)
    points = np.asarray(faces[0].landmarks, np.float64) / ENLARGEMENT - _PAD
    return points.astype(np.float32)


def _check(pixels: Tensor) -> None:
    if pixels.dtype != torch.uint8 or pixels.shape[1:] != (1, SIZE, SIZE):
        raise InvalidInputError(
            f"the pictures are uint8 [N, 1, {SIZE}, {SIZE}], not {pixels.dtype} {list(pixels.shape)}",
            hint="FER2013's gray pictures",
        )


def _cache_path(settings: Cascade) -> Path:
    """Return the cache's folder, named after everything that decides which landmarks are found."""
    how = {
        "version": VERSION,
        "padding": PADDING,
        "enlargement": ENLARGEMENT,
        "facenet-pytorch": version("facenet-pytorch"),
        **settings.model_dump(exclude={"stage"}),
    }
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"landmarks-{digest[:16]}"


def _read(folder: Path) -> dict[bytes, Points]:
    """Read all chunks, and pass over damaged ones."""
    known: dict[bytes, Points] = {}
    for path in sorted(folder.glob("[!.]*.npz")):
        try:
            with np.load(path, allow_pickle=False) as kept:
                keys, points = kept["keys"], kept["points"]
        except _DAMAGE:
            continue
        sound = keys.dtype == np.uint8 and keys.shape[1:] == (32,) and points.dtype == np.float32
        if sound and points.shape == (len(keys), 5, 2):
            known |= zip((key.tobytes() for key in keys), points, strict=True)
    return known


def _keep(found: dict[bytes, Points], folder: Path) -> None:
    """Write one more chunk, named after its pictures; if that fails, warn, and the next run searches them again."""
    if not found:
        return
    keys = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)
    try:
        with replacing(folder / f"{hashlib.sha256(keys.tobytes()).hexdigest()[:16]}.npz") as temporary:
            np.savez(temporary, keys=keys, points=np.stack(list(found.values())))
    except (OSError, InvalidInputError) as error:
        warnings.warn(f"the landmarks are not kept: {error}", stacklevel=3)
