"""This module maps the names that data sets give the emotions to the one name each has here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

#: FER2013's names in FER2013's order, and contempt, which FER+, AffectNet and CK+ add.
CANONICAL = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

_ALIASES = {
    "angry": ("anger", "angered", "angriness", "mad"),
    "disgust": ("disgusted", "disgusting"),
    "fear": ("fearful", "afraid", "scared", "feared"),
    "happy": ("happiness", "joy", "joyful"),
    "sad": ("sadness", "saddened"),
    # The misspelling is in two widely used copies of AffectNet.
    "surprise": ("surprised", "surprising", "suprise"),
    "neutral": ("neutrality",),
    "contempt": ("contemptuous",),
}
_KNOWN = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}

#: Matches the number and separator in front of a name: "0_angry", "3. Happy", "07-fear".
_NUMBER_BEFORE = re.compile(r"^\d+[\s_.\-]+")
#: Matches the number behind a name: "happy1", "happy_2", "sad (3)".
_NUMBER_AFTER = re.compile(r"[\s_.\-]*(\d+|\(\d+\))$")


def canonical(name: str) -> str:
    """Return the canonical name of a class.

    Case, surrounding space, a number in front ("0_angry") and a number behind ("happy1") are ignored where the rest
    names an emotion. A mere number is no emotion, since data sets number them differently.

    Returns:
        One of `CANONICAL`; for an unknown class its own name in lower case.
    """
    plain = unicodedata.normalize("NFC", name).strip().lower()
    bare = _NUMBER_AFTER.sub("", _NUMBER_BEFORE.sub("", plain))
    return _KNOWN.get(plain) or _KNOWN.get(bare) or plain


def matched(labels: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Return, for each of the labels `wanted`, the index in `labels` of the one that means the same.

    Equal names count before aliases: "happy" is matched by "happy", then by "happiness", whatever the order.

    Returns:
        As many indices as `wanted` has labels; None where the two do not name the same classes, one to one.
    """
    if len(labels) != len(wanted):
        return None
    if set(labels) == set(wanted):
        return [labels.index(label) for label in wanted]
    meant = [canonical(label) for label in labels]
    asked = [canonical(label) for label in wanted]
    if len(set(meant)) != len(meant) or set(meant) != set(asked):
        return None
    return [meant.index(label) for label in asked]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Order canonical names without repetition: emotions as in `CANONICAL`, then the others by alphabet."""
    there = set(names)
    return (*(name for name in CANONICAL if name in there), *sorted(there.difference(CANONICAL)))
