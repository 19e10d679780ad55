"""This module defines the options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fer_export.runtimes.tfjs import BACKENDS

FilePath = click.Path(path_type=Path, dir_okay=True)


class Checkpoint(click.Path):
    """Accept a checkpoint's path, or the name of a packaged model."""

    name = "checkpoint"

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a packaged model's name to its path; return other paths as they are."""
        from fer_export.formats.packaged import named

        return super().convert(named(str(value)), param, ctx)


ckpt = click.option(
    "--ckpt", type=Checkpoint(), help="Checkpoint, .safetensors or .pth, or a packaged model's name. [ferplus]"
)
arch = click.option(
    "--arch", metavar="NET", help="Code of --ckpt's net, where it is not of this project; as for fer-export onnx."
)
force = click.option("--force", is_flag=True, help="Replace what is there, whatever it is.")
backends = click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(BACKENDS),
    default=("wasm",),
    show_default=True,
    help="TF.js backend to check on; may be repeated.",
)


def written(among: Iterable[str] | None = None) -> list[str]:
    """Return the options that were given on the command line, in the order of the command's help.

    Args:
        among: names of the parameters to consider; all where None.
    """
    context = click.get_current_context()
    return [
        entry.opts[0]
        for entry in context.command.params
        if entry.name is not None
        and (among is None or entry.name in among)
        and context.get_parameter_source(entry.name) is ParameterSource.COMMANDLINE
    ]
