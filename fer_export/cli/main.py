"""This module is the command `fer-export`."""

from __future__ import annotations

import click

from fer_export import __version__
from fer_export.cli.lazy import lazy

#: Command → its one-line help.
COMMANDS = {
    "onnx": "Checkpoint to ONNX, checked with onnxruntime.",
    "tfjs": "ONNX to a TF.js model, checked in a browser.",
    "tf": "ONNX to a TensorFlow SavedModel, checked in TensorFlow.",
    "litert": "SavedModel to a .tflite, checked with LiteRT.",
    "detector": "The face detector to ONNX and TF.js.",
    "page": "The whole web page, with a model in it.",
    "verify": "Compare every runtime with torch, or any two routes.",
    "bench": "Time a model beside a plain CNN on every runtime.",
    "env": "Environments of their own for TensorFlow and onnx-tf.",
    "bench-convert": "Time the direct writer beside TensorFlow's converters.",
    "matrix": "Every model by every route, in every runtime.",
    "browser": "Find, or install, the browser that checks TF.js.",
    "info": "Show the contract of a checkpoint or any other artefact.",
}


@click.group(cls=lazy("fer_export.cli", COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fer-export")
def main() -> None:
    """Take a face-emotion model from PyTorch to a web page, with parity shown at every hop.

    \b
    From checkpoint to page:
      fer-export onnx --ckpt best.safetensors   checkpoint -> build/fer.onnx
      fer-export tfjs                           build/fer.onnx -> web/model
      fer-export detector                       MTCNN -> web/model/detector
      fer-export verify                         every runtime against torch
      fer-export page -o site                   web/model -> site/index.html

    \b
    Exit codes: 0 ok, 1 parity or quality, 2 usage, 3 missing dependency,
    4 invalid or unsafe input.
    """
