"""Reading photos."""

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

#: Above this a photo is refused unread. The cascade takes some 30 bytes for each pixel.
MAX_PIXELS = 40_000_000

Photo = npt.NDArray[np.uint8]
#: A path, a PIL picture, or uint8 RGB [H, W, 3].
Picture = str | PathLike[str] | Image.Image | Photo


def as_photo(picture: Picture) -> Photo:
    """Return any picture as uint8 RGB [H, W, 3].

    Args:
        picture: a path, a PIL picture, or uint8 RGB [H, W, 3], which is returned as it is.

    Raises:
        InvalidInputError: it is none of these, or cannot be read.
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

    Transparent parts show white. Of an animation the first picture is taken. Colour profiles are
    left alone, as on the page.

    Raises:
        InvalidInputError: missing, not a picture, damaged, or more than `MAX_PIXELS`.
    """
    if not path.is_file():
        raise InvalidInputError(f"no photo {path}")
    with _named_failure(str(path)), Image.open(path) as image:
        return _decoded(image, str(path))


def _decoded(image: Image.Image, name: str) -> Photo:
    """A PIL picture, which may not have been decoded yet, as uint8 RGB."""
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
    """Turn what Pillow's decoders raise into one line that names the picture."""
    try:
        # The cap is ours, so Pillow's own warning about large pictures would only be noise.
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
    """16-bit gray as 8-bit gray: Pillow's own conversion clips at 255 instead of scaling."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image, np.float64) / 257).round().astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)


def check_photo(photo: Photo) -> None:
    """Refuse what is not a photo.

    Raises:
        InvalidInputError: not uint8, not [H, W, 3], or empty.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise InvalidInputError(
            f"a photo is uint8 [height, width, 3], not {photo.dtype} {list(photo.shape)}",
            hint="see load_photo",
        )
