"""Where the browser is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fer_export.errors import MissingDependencyError

#: Set it to use a browser of your own choice.
VARIABLE = "FER_EXPORT_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
#: No traffic of the browser's own. WebGL2 runs on SwiftShader where there is no GPU.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """The path of Chromium or Chrome: from `FER_EXPORT_CHROMIUM`, PATH, the usual places, or Playwright's.

    Raises:
        MissingDependencyError: there is none.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted:
        if not Path(wanted).is_file():
            raise MissingDependencyError(f"{VARIABLE}={wanted}: no such file")
        return wanted
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    for place in (*_PLACES, _playwrights_own()):
        if place and Path(place).is_file():
            return place
    raise MissingDependencyError(
        "no Chromium or Chrome was found",
        hint=f"apt-get install chromium, or: playwright install chromium, or set {VARIABLE}",
    )


def _playwrights_own() -> str | None:
    """The newest Chromium that `playwright install` has put into its cache."""
    default = Path.home() / ".cache" / "ms-playwright"
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    found = sorted(cache.glob("chromium-*/chrome-linux*/chrome")) if cache.is_dir() else []
    return str(found[-1]) if found else None
