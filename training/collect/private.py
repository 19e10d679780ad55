"""This module tells which hosts are in our own network."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from socket import getaddrinfo
from typing import Any


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Return whether a host name leads to this machine or its own network, where a page must not make us look."""
    try:
        numbers = {str(entry[4][0]).partition("%")[0] for entry in getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        # The name cannot be resolved here. Behind a proxy that is usual; without one the request fails anyway.
        return False
    found: list[Any] = [ip_address(number) for number in numbers]
    mapped = [each.ipv4_mapped or each if isinstance(each, IPv6Address) else each for each in found]
    return any(not each.is_global for each in mapped)
