"""This module is the command `python -m training gpu-carry`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli.output import Output, command
from training.cli import options


@click.command("gpu-carry")
@click.argument("sheets", metavar="SHEETS", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--output", "folder", type=options.Folder, default=Path(".carry"), show_default=True,
    help="Folder in the checkout, which git ignores.",
)  # fmt: skip
@click.option("--python", default="3.12", show_default=True, help="Version of the other machine's Python.")
@command
def main(output: Output, sheets: Path, folder: Path, python: str) -> None:
    """Gather pictures and wheels for `gpu-plan` on a lent machine without network.

    The machine is expected to have a GPU, torch, torchvision, lightning, numpy, pillow,
    pyyaml and safetensors. What else the plan imports is downloaded for it, as wheels.
    The command to run there is printed.

    \b
    Examples:
      python -m training gpu-carry ../shared/data/fer2013_sheets
    """
    from training.plan import carry

    with output.working("downloading wheels"):
        carried = carry.gather(sheets, folder, python)
    run = carry.command(folder)
    output.add(folder=str(folder), command=run, bytes=carried.total)
    sizes = {"checkout": carried.checkout, "sheets": carried.sheets, "wheels": carried.wheels}
    said = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in sizes.items())
    output.text(f"{folder}: {carried.total / 2**20:.1f} of {carry.LIMIT / 2**20:.0f} MiB travel ({said})")
    output.text(f"on the machine, in the checkout, with {folder} carried along:\n{run}")
