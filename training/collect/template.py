"""This module fills the address of a result page, which has places for the query and the page number."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote, urlsplit

from fer_export.errors import UsageError

_EXAMPLE = "for example --url 'https://example.org/search?q={query}&page={page}'"
#: Names that Windows keeps for devices.
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")


def check(template: str, pages: int) -> None:
    """Check that a template can be filled.

    Raises:
        UsageError: no {query}, not http(s), a place in the host name, or several pages without {page}.
    """
    if "{query}" not in template:
        raise UsageError("the --url template has no {query}", hint=_EXAMPLE)
    try:
        parts = urlsplit(template)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--url {template}: {error}", hint=_EXAMPLE) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"--url {template}: not an http or https address", hint=_EXAMPLE)
    if "{" in parts.netloc or "@" in parts.netloc:
        raise UsageError(f"--url {template}: the host must be written out, without a user name", hint=_EXAMPLE)
    if pages > 1 and "{page}" not in template:
        raise UsageError(f"--pages {pages} needs {{page}} in the --url template", hint=_EXAMPLE)


def fill(template: str, query: str, page: int) -> str:
    """Return the address of result page `page`, counted from 1; the query is quoted for a URL, spaces as %20."""
    # The page goes in first, because a query may itself hold "{page}".
    return template.replace("{page}", str(page)).replace("{query}", quote(query, safe=""))


def slug(query: str) -> str:
    """Return the folder name of a query: letters, digits and `-`; different queries get different names.

    A query that is not plain words gets a few digits of its hash, so that "a/b" and "a b" stay apart.

    Raises:
        UsageError: the query is empty or holds control characters.
    """
    if not query.strip() or any(unicodedata.category(sign) == "Cc" for sign in query):
        raise UsageError(f"--query {query!r}: empty, or with control characters")
    plain = unicodedata.normalize("NFC", query).lower()
    words = re.sub(r"[\W_]+", "-", plain).strip("-")[:40].strip("-")
    if words.replace("-", " ") == plain and not _RESERVED.fullmatch(words):
        return words
    digits = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{words}-{digits}" if words else digits
