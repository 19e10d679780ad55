"""This module reads photos."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_export.errors import InvalidInputError

#: Larger photos are refused before they are decoded. The cascade takes about 30 bytes for each pixel.
MAX_PIXELS = 40_000_000

Photo = npt.NDArray[np.uint8]


def load_photo(path: Path) -> Photo:
    """Read a photo as uint8 RGB [H, W, 3], upright by its EXIF orientation (tag 0x0112).

    Transparent parts become white. An animation gives its first picture. Colour profiles are
    ignored, as on the page.

    Raises:
        InvalidInputError: the file is missing, not a picture, damaged, or has more than `MAX_PIXELS`.
    """
    if not path.is_file():
        raise InvalidInputError(f"no photo {path}")
    try:
        # The limit below replaces Pillow's own warning about large pictures.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise InvalidInputError(
                        f"{path} has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million",
                        hint="make it smaller first",
                    )
                upright = ImageOps.exif_transpose(image)
                return np.asarray(_opaque(_of_8_bits(upright)).convert("RGB"), np.uint8)
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"{path} has too many pixels", hint="make it smaller first") from error
    except UnidentifiedImageError as error:
        raise InvalidInputError(f"{path} is not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's decoders raise any of these on damaged files.
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise InvalidInputError(f"{path} is damaged: {reason}") from error


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
