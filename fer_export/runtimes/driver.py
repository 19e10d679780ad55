"""Playwright, started once for all who have a browser open: its synchronous API allows one in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fer_export.errors import MissingDependencyError


class _Shared(threading.local):
    """The one of this thread, and by how many it is used."""

    running: Any = None
    users: int = 0


_SHARED = _Shared()


def acquire() -> Any:
    """Playwright's entry point; whoever has it calls `release` once.

    Raises:
        MissingDependencyError: it is not installed.
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
    """The last one stops it."""
    _SHARED.users -= 1
    if _SHARED.users == 0:
        running, _SHARED.running = _SHARED.running, None
        running.stop()


@contextmanager
def playwright() -> Iterator[Any]:
    """Both, for a `with` statement."""
    running = acquire()
    try:
        yield running
    finally:
        release()
