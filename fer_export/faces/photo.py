"""This module reads photos."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_export.errors import InvalidInputError

#: Larger photos are refused before they are decoded. The cascade takes about 30 bytes for each pixel.
MAX_PIXELS = 40_000_000

Photo = npt.NDArray[np.uint8]
#: A path, a PIL picture, or uint8 RGB [H, W, 3].
Picture = str | PathLike[str] | Image.Image | Photo


def as_photo(picture: Picture) -> Photo:
    """Return any picture as uint8 RGB [H, W, 3].

    Args:
        picture: a path, a PIL picture, or uint8 RGB [H, W, 3], which is returned as it is.

    Raises:
        InvalidInputError: the picture is none of these, or cannot be read.
    """
    if isinstance(picture, str | PathLike):
        return load_photo(Path(fspath(picture)))
    if isinstance(picture, Image.Image):
        with _named_failure("the picture"):
            return _decoded(picture, "the picture")
    if not isinstance(picture, np.ndarray):
        raise InvalidInputError(
            f"a picture is a path, a PIL picture or a uint8 array [height, width, 3], not {type(picture).__name__}"
        )
    check_photo(picture)
    return picture


def load_photo(path: Path) -> Photo:
    """Read a photo as uint8 RGB [H, W, 3], upright by its EXIF orientation (tag 0x0112).

    Transparent parts become white. An animation gives its first picture. Colour profiles are
    ignored, as on the page.

    Raises:
        InvalidInputError: the file is missing, not a picture, damaged, or has more than `MAX_PIXELS`.
    """
    if not path.is_file():
        raise InvalidInputError(f"no photo {path}")
    with _named_failure(str(path)), Image.open(path) as image:
        return _decoded(image, str(path))


def _decoded(image: Image.Image, name: str) -> Photo:
    """Decode a PIL picture, if it is not decoded yet, to uint8 RGB."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidInputError(
            f"{name} has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million",
            hint="make it smaller first",
        )
    upright = ImageOps.exif_transpose(image)
    return np.asarray(_opaque(_of_8_bits(upright)).convert("RGB"), np.uint8)


@contextmanager
def _named_failure(name: str) -> Iterator[None]:
    """Turn an error of Pillow's decoders into one line that names the picture."""
    try:
        # The limit below replaces Pillow's own warning about large pictures.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"{name} has too many pixels", hint="make it smaller first") from error
    except UnidentifiedImageError as error:
        raise InvalidInputError(f"{name} is not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's decoders raise any of these on damaged files.
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise InvalidInputError(f"{name} is damaged: {reason}") from error


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Convert 16-bit gray to 8-bit gray, since Pillow's own conversion clips at 255 instead of scaling."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image, np.float64) / 257).round().astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)


def check_photo(photo: Photo) -> None:
    """Refuse an array that is not a photo.

    Raises:
        InvalidInputError: the array is not uint8, not [H, W, 3], or empty.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise InvalidInputError(
            f"a photo is uint8 [height, width, 3], not {photo.dtype} {list(photo.shape)}",
            hint="see load_photo",
        )
