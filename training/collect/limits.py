"""This module defines how much is collected, of what kind, and how fast."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Type → the media types that a server may call it by. The first one is the registered one.
MEDIA_TYPES = {
    "jpeg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "png": ("image/png", "image/x-png"),
    "webp": ("image/webp",),
}
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Limits:
    """Hold the limits of one run.

    Attributes:
        count: pictures kept for each query, those of earlier runs included.
        max_bytes: bytes of one picture.
        max_total: bytes of all kept pictures of the folder.
        types: keys of `MEDIA_TYPES`.
        min_size: pixels that both sides need.
        rate: requests per second to one host.
        pages: result pages for each query.
        scrolls: moves down one result page.
        timeout: seconds for an answer to begin, and for its body.
    """

    count: int = 100
    max_bytes: int = 10 * 10**6
    max_total: int = 2 * 10**9
    types: tuple[str, ...] = tuple(MEDIA_TYPES)
    min_size: int = 96
    rate: float = 1.0
    pages: int = 1
    scrolls: int = 50
    timeout: float = 30.0

    @property
    def media_types(self) -> tuple[str, ...]:
        """Return all media types that a server may use for the wanted types."""
        return tuple(name for kind in self.types for name in MEDIA_TYPES[kind])


def parse_bytes(text: str) -> int:
    """Read "10MB", "500 kB", "1.5GiB" or a plain number of bytes.

    Raises:
        ValueError: it is none of these, or below one byte.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    factor = _UNITS.get(found[2].upper()) if found else None
    if found is None or factor is None or (count := int(float(found[1]) * factor)) < 1:
        raise ValueError(f"{text!r} is not a size; write 500kB, 10MB or 2GB")
    return count
