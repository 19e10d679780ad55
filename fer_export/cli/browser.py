"""`fer-export browser`."""

from __future__ import annotations

import click

from fer_export.cli.output import Output, command
from fer_export.errors import MissingDependencyError


@click.command("browser")
@click.option("--install", is_flag=True, help="Install one where there is none.")
@command
def main(output: Output, install: bool) -> None:
    """Say which Chromium or Chrome checks the TF.js models.

    With --install, where there is none: Debian's package if this user may, else Playwright's.

    \b
    Examples:
      fer-export browser
      fer-export browser --install
    """
    from fer_export.runtime import chromium

    try:
        path = chromium.find()
    except MissingDependencyError:
        if not install:
            raise
        path = chromium.install()
    output.add(path=path)
    output.text(path)
