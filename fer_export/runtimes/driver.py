"""This module shares one Playwright, because its synchronous API allows only one in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fer_export.errors import MissingDependencyError


class _Shared(threading.local):
    """Hold this thread's Playwright, and the number of its users."""

    running: Any = None
    users: int = 0


_SHARED = _Shared()


def acquire() -> Any:
    """Return Playwright's entry point; every caller calls `release` once.

    Raises:
        MissingDependencyError: Playwright is not installed.
    """
    if _SHARED.running is None:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise MissingDependencyError(
                "playwright is not installed", hint="pip install 'fer-export[browser]'"
            ) from error
        _SHARED.running = sync_playwright().start()
    _SHARED.users += 1
    return _SHARED.running


def release() -> None:
    """Give Playwright back; the last user stops it."""
    _SHARED.users -= 1
    if _SHARED.users == 0:
        running, _SHARED.running = _SHARED.running, None
        running.stop()


@contextmanager
def playwright() -> Iterator[Any]:
    """Acquire Playwright for a `with` statement, and release it at the end."""
    running = acquire()
    try:
        yield running
    finally:
        release()
