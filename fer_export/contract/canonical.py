"""This module computes the hash over a contract's own text: SHA-256 of its canonical JSON (RFC 8785)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

#: The field that holds the hash; it is not covered by it.
FIELD = "sha256"


def sha256(record: Mapping[str, Any]) -> str:
    """Return the hash of a contract, given as parsed JSON, over all of its fields but `sha256`.

    It does not depend on the order of the keys, on white space, or on how numbers are written, so the page
    computes the same in JavaScript.

    Raises:
        ValueError: JSON readers would not agree on a value: an integer beyond 2^53, an infinite number, or half a
            surrogate pair.
    """
    covered = {name: value for name, value in record.items() if name != FIELD}
    return hashlib.sha256(rfc8785.dumps(covered)).hexdigest()
