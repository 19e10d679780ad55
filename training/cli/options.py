"""This module defines the options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

FilePath = click.Path(path_type=Path, dir_okay=False)
Folder = click.Path(path_type=Path, file_okay=False)


def made_of(source: Path, ending: str) -> Path:
    """Return the default path of a checkpoint made of another one: beside it, or in this folder for a packaged one."""
    from fer_export.formats import checkpoint

    packaged = source.parent == checkpoint.PRETRAINED.parent
    return (Path() if packaged else source.parent) / f"{source.stem}-{ending}{source.suffix}"


def _named(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """Read the values of --data, FOLDER or NAME=FOLDER, each name at most once; a nameless one is called `main`."""
    found: dict[str, Path] = {}
    for value in values:
        name, equals, place = value.partition("=")
        # A path may hold "=" too, so only a plain word before it counts as a name.
        key, path = (name, place) if equals and name.isidentifier() else ("main", value)
        if key in found:
            raise click.BadParameter(f"{key} is given twice")
        found[key] = Path(path)
    return found


data = click.option(
    "--data",
    multiple=True,
    metavar="[NAME=]PATH",
    callback=_named,
    help="Where the pictures are. NAME= for recipes that want several.",
)
changes = click.option(
    "--set", "changes", multiple=True, metavar="SETTING=VALUE", help="Change a setting of the recipe; may be repeated."
)
device = click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps."
)
