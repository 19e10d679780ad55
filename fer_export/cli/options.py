"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FilePath = click.Path(path_type=Path, dir_okay=True)
ONNX_FILE = Path("build/fer.onnx")
MODEL_FOLDER = Path("web/model")
DETECTOR_FOLDER = Path("web/model/detector")


class Checkpoint(click.Path):
    """A checkpoint's path, or the name of a packaged model."""

    name = "checkpoint"

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Names become paths."""
        from fer_export.formats.checkpoint import named

        return super().convert(named(str(value)), param, ctx)


ckpt = click.option(
    "--ckpt", type=Checkpoint(), help="Checkpoint, .safetensors or .pth, or a packaged model's name. [ferplus]"
)
arch = click.option(
    "--arch", metavar="NET", help="Code of --ckpt's net, where it is not of this project; as for fer-export onnx."
)
#: As in `runtimes/tfjs.py`, which is not imported before a command needs it.
BACKENDS = ("wasm", "webgl", "webgpu", "cpu")
backends = click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(BACKENDS),
    default=("wasm",),
    show_default=True,
    help="TF.js backend to check on; may be repeated.",
)
