"""This module reads robots.txt as RFC 9309 defines it.

The standard library's `urllib.robotparser` takes the first rule that fits, and takes `*` and `$` inside a path for
plain characters (Python 3.11). Protego 0.7 keeps one of several groups that name a crawler, where the RFC joins
them. Either would fetch what a site has disallowed; the file in the tests shows it.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

#: How many bytes of a robots.txt are read; RFC 9309, 2.5 asks for at least this many.
MOST_BYTES = 500 * 1024
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")


@dataclass(frozen=True)
class Rules:
    """Hold what one host asks of one crawler.

    Attributes:
        paths: (pattern, allowed) in the file's order.
        delay: seconds between requests, 0 where the file asks for none. It is not in the RFC, but widely used.
    """

    paths: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0

    def allow(self, address: str) -> bool:
        """Return whether an address may be fetched.

        The longest pattern that fits decides; among equally long ones, the one that allows (RFC 9309, 2.2.2).
        """
        parts = urlsplit(address)
        path = _normal((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        if path == "/robots.txt":
            return True
        fitting = [(len(pattern), allowed) for pattern, allowed in self.paths if _fits(pattern, path)]
        return max(fitting)[1] if fitting else True


def parse(text: str, crawler: str) -> Rules:
    """Return the rules for a crawler: those of all groups that name it, or else those for `*`.

    Args:
        text: the content of robots.txt.
        crawler: its product token, compared without case.
    """
    groups: dict[str, tuple[list[tuple[str, bool]], list[float]]] = {}
    names: list[str] = []
    open_group = False
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        key = key.lower()
        if not colon:
            continue
        if key == "user-agent":
            if not open_group:
                names = []
            open_group = True
            token = re.match(r"[A-Za-z_-]+|\*", value)
            names.append(token[0].lower() if token else "")
            groups.setdefault(names[-1], ([], []))
        elif key in {"allow", "disallow", "crawl-delay"}:
            open_group = False
            for name in names:
                paths, delays = groups[name]
                if key == "crawl-delay":
                    delays += [float(value)] if re.fullmatch(r"\d{1,6}(\.\d+)?", value) else []
                elif value:
                    paths.append((_normal(value), key == "allow"))
    found_paths, found_delays = groups.get(crawler.lower()) or groups.get("*") or ([], [])
    return Rules(tuple(found_paths), max(found_delays, default=0.0))


def _fits(pattern: str, path: str) -> bool:
    """Return whether a pattern fits the start of a path; `*` stands for anything, a final `$` for the path's end.

    The time is linear, since the pattern comes from a stranger.
    """
    whole = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if not rest:
        return not whole or path == first
    at = len(first)
    for part in rest[:-1]:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if whole:
        return path.endswith(rest[-1]) and len(path) - len(rest[-1]) >= at
    return path.find(rest[-1], at) >= 0


def _normal(path: str) -> str:
    """Return the one spelling of equal paths: unreserved characters plain, the rest as %XX in capitals."""

    def octet(found: re.Match[str]) -> str:
        sign = chr(int(found[0][1:], 16))
        return sign if sign in _UNRESERVED else found[0].upper()

    return re.sub(r"%[0-9A-Fa-f]{2}", octet, quote(path, safe=string.punctuation))
