"""`fer-export`."""

from __future__ import annotations

import importlib
from typing import Any

import click

from fer_export import __version__

#: Command → module in this package and its one-line help. Modules are imported when called, so that
#: `--help` does not wait for torch.
COMMANDS = {
    "onnx": "Checkpoint to ONNX, checked with onnxruntime.",
    "tfjs": "ONNX to a TF.js model, checked in a browser.",
    "detector": "The face detector to ONNX and TF.js.",
    "verify": "Compare every runtime with torch.",
    "browser": "Find, or install, the browser that checks TF.js.",
    "info": "Show the contract of a checkpoint, ONNX file or TF.js model.",
}


class Lazy(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the road."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module: Any = importlib.import_module(f"fer_export.cli.{cmd_name}")
        found: click.Command = module.main
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fer-export")
def main() -> None:
    """Take a face-emotion model from PyTorch to a web page, with parity shown at every hop.

    \b
    The road:
      fer-export onnx --ckpt best.safetensors   checkpoint -> build/fer.onnx
      fer-export tfjs                           build/fer.onnx -> web/model
      fer-export detector                       MTCNN -> web/model/detector
      fer-export verify                         every runtime against torch
      make web                                  web/model -> web/index.html

    \b
    Exit codes: 0 ok, 1 parity or quality, 2 usage, 3 missing dependency,
    4 invalid or unsafe input.
    """
