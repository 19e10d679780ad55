"""This module finds the browser and its driver. It downloads nothing."""

from __future__ import annotations

from pathlib import Path

from fer_export.errors import MissingDependencyError
from fer_export.runtimes import chromium


def find_browser(given: Path | None) -> str:
    """Return the browser's path.

    Raises:
        MissingDependencyError: there is none.
    """
    if given is None:
        return chromium.find()
    if not given.is_file():
        raise MissingDependencyError(f"--browser {given}: no such file")
    return str(given)


def find_driver(given: Path | None) -> str:
    """Return chromedriver's path.

    Raises:
        MissingDependencyError: there is none.
    """
    if given is None:
        return chromium.find_driver()
    if not given.is_file():
        raise MissingDependencyError(f"--driver {given}: no such file")
    return str(given)
