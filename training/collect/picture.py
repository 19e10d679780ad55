"""This module decodes what a server sent and finds its real type, size and hashes."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from fer_export.errors import first_line
from training.collect.limits import Limits
from training.collect.sources import Refusal

#: A larger picture would take over 200 MB to decode, however few bytes it came in.
MOST_PIXELS = 50_000_000


@dataclass(frozen=True)
class Picture:
    """Describe a picture that could be decoded.

    Attributes:
        type: jpeg, png or webp, by its content.
        width: pixels.
        height: pixels.
        sha256: hash of the bytes, in hex.
        pixels_sha256: hash of size and decoded pixels, in hex; it is the same after a lossless recompression.
    """

    type: str
    width: int
    height: int
    sha256: str
    pixels_sha256: str


def inspect(body: bytes, limits: Limits) -> Picture:
    """Decode a picture and measure it.

    Raises:
        Refusal: wrong type, too large, too small, or broken.
    """
    formats = [kind.upper() for kind in limits.types]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(body), formats=formats).verify()
            image = Image.open(io.BytesIO(body), formats=formats)
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise Refusal("too large", f"{width}×{height} pixels")
            if min(width, height) < limits.min_size:
                raise Refusal("too small", f"{width}×{height} pixels")
            pixels = image.convert("RGBA").tobytes()
    except Image.DecompressionBombError as error:
        raise Refusal("too large", first_line(error)) from error
    except UnidentifiedImageError as error:
        raise Refusal("wrong type", f"by its content none of {', '.join(limits.types)}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        # Pillow's readers raise any of these for damaged files.
        raise Refusal("broken", first_line(error)) from error
    kind = str(image.format).lower()
    spot = hashlib.sha256(f"{width}x{height} ".encode() + pixels)
    return Picture(kind, width, height, hashlib.sha256(body).hexdigest(), spot.hexdigest())
