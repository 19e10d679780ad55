"""This module finds and installs the browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fer_export.errors import MissingDependencyError

#: The environment variable that names the browser to use.
VARIABLE = "FER_EXPORT_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
#: The browser's own traffic is switched off. WebGL2 runs on SwiftShader where there is no GPU.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """Return the path of Chromium or Chrome, from `FER_EXPORT_CHROMIUM`, PATH, the usual places, or Playwright's cache.

    Raises:
        MissingDependencyError: there is no browser.
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
        hint=f"fer-export browser --install, or set {VARIABLE} to a browser's path",
    )


def _playwrights_own() -> str | None:
    """Return the newest Chromium that `playwright install` has put into its cache."""
    default = Path.home() / ".cache" / "ms-playwright"
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    found = sorted(cache.glob("chromium-*/chrome-linux*/chrome")) if cache.is_dir() else []
    return str(found[-1]) if found else None


def find_driver() -> str:
    """Return the path of chromedriver, with which `python -m training collect` drives the browser.

    Raises:
        MissingDependencyError: chromedriver is not on PATH.
    """
    found = shutil.which("chromedriver")
    if not found:
        raise MissingDependencyError(
            "chromedriver is not on PATH", hint="fer-export browser --install --driver, or --driver PATH of collect"
        )
    return found


def install() -> str:
    """Install a browser if there is none: Debian's package where this user may, else Playwright's.

    Returns:
        The browser's path.

    Raises:
        MissingDependencyError: neither way worked; the message says what each answered.
    """
    return _install(_ways(), find, "browser", f"install Chromium or Chrome, then run this again; or set {VARIABLE}")


def install_driver() -> str:
    """Install Debian's chromedriver.

    Returns:
        The driver's path.

    Raises:
        MissingDependencyError: this is not Debian, or this user may not install packages.
    """
    return _install(_apt("chromium-driver"), find_driver, "chromedriver", "it has to be of the browser's own version")


Ways = list[tuple[str, list[list[str]]]]


def _install(ways: Ways, found: Callable[[], str], name: str, hint: str) -> str:
    attempts = []
    for what, commands in ways:
        for command in commands:
            print(f"$ {' '.join(command)}", file=sys.stderr)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
                attempts.append(f"{what}: {lines[-1]}")
                break
        else:
            return found()
    tried = f" ({'; '.join(attempts)})" if attempts else ": no way is known for this system"
    raise MissingDependencyError(f"no {name} could be installed{tried}", hint=f"by hand: {hint}")


def _apt(package: str) -> Ways:
    if not shutil.which("apt-get"):
        return []
    # Without root, sudo is used only where it needs no password.
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    install = [*apt, "install", "-y", "-q", "--no-install-recommends", package]
    return [("apt-get", [[*apt, "update", "-q"], install])]


def _ways() -> Ways:
    return [*_apt("chromium"), ("playwright", [[sys.executable, "-m", "playwright", "install", "chromium"]])]
