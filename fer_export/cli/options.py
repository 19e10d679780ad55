"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

FilePath = click.Path(path_type=Path, dir_okay=True)
ONNX_FILE = Path("build/fer.onnx")
MODEL_FOLDER = Path("web/model")
DETECTOR_FOLDER = Path("web/model/detector")

ckpt = click.option("--ckpt", type=FilePath, help="Checkpoint, .safetensors or .pth. Otherwise the pretrained one.")
backends = click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(["wasm", "webgl", "cpu"]),
    default=("wasm",),
    show_default=True,
    help="TF.js backend to check on; may be repeated.",
)
