"""This module is the command `fer-export browser`."""

from __future__ import annotations

from collections.abc import Callable

import click

from fer_export.cli.output import Output, command
from fer_export.errors import MissingDependencyError


@click.command("browser")
@click.option("--install", is_flag=True, help="Install one where there is none.")
@click.option("--driver", is_flag=True, help="chromedriver too, for python -m training collect.")
@command
def main(output: Output, install: bool, driver: bool) -> None:
    """Say which Chromium or Chrome checks the TF.js models.

    With --install, one is installed where there is none: Debian's package if this user may install
    it, else Playwright's.

    \b
    Examples:
      fer-export browser
      fer-export browser --install
      fer-export browser --install --driver
    """
    from fer_export.runtimes import chromium

    path = _find(chromium.find, chromium.install if install else None)
    output.add(path=path)
    output.text(path)
    if driver:
        path = _find(chromium.find_driver, chromium.install_driver if install else None)
        output.add(driver=path)
        output.text(path)


def _find(find: Callable[[], str], install: Callable[[], str] | None) -> str:
    try:
        return find()
    except MissingDependencyError:
        if install is None:
            raise
        return install()
