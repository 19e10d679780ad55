"""This module is the command `fer-export matrix`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.convert.routes import ROUTES
from fer_export.runtimes.registry import names as registered

if TYPE_CHECKING:
    from fer_export.diagnose.matrix.cells import Cell

#: All runtimes but torch, which is the reference.
RUNTIMES = tuple(name for name in registered() if name != "torch")


@click.command("matrix")
@click.option("--model", "names", multiple=True, metavar="NAME", help="A packaged model, a checkpoint, an architecture "
              "or torchvision:NAME with random weights; NAME@SIDE for its size. [the packaged ones, and every "
              "architecture in its smallest form]")  # fmt: skip
@click.option("--route", "--road", "routes", metavar="NAME", multiple=True, type=click.Choice(tuple(ROUTES)),
              help="Of the list above; may be repeated. [all]")  # fmt: skip
@click.option("--runtime", "runtimes", metavar="NAME", multiple=True, type=click.Choice(RUNTIMES),
              help=f"{', '.join(RUNTIMES)}; may be repeated. [all]")  # fmt: skip
@click.option("-o", "--output", "path", type=options.FilePath, help="Also write it as Markdown.")
@click.option("--keep", type=options.FilePath, metavar="FOLDER", help="Keep finished cells there, and take up those "
              "that are.")  # fmt: skip
@command
def main(
    output: Output,
    names: tuple[str, ...],
    routes: tuple[str, ...],
    runtimes: tuple[str, ...],
    path: Path | None,
    keep: Path | None,
) -> None:
    """Convert every model by every route, and run the result in every runtime for it.

    A cell is the largest difference from torch on any output of any picture, or the error that the
    route or the runtime raised. Exits 1 when a difference is over tolerance. The whole matrix takes
    hours; with --keep it can be stopped and continued.

    \b
    Routes:
      onnx                  checkpoint -> ONNX
      tfjs                  ONNX -> TF.js by the direct writer; also with
                            float16 and uint8 weights
      tf, frozen            ONNX -> TensorFlow by the direct writer
      litert                tf -> .tflite
      onnx2tf, onnx-tf      ONNX -> TensorFlow by others' converters
      tf-tensorflowjs       tf -> TF.js by tensorflowjs_converter
      onnx2tf-tensorflowjs  onnx2tf -> TF.js by tensorflowjs_converter

    \b
    Examples:
      fer-export matrix --keep build/matrix -o build/matrix.md
      fer-export matrix --model ferplus --route onnx --route tfjs
      fer-export matrix --model torchvision:resnet18@64 --runtime tfjs-wasm
    """
    with output.working("loading torch") as say:
        from fer_export import matrix
        from fer_export.diagnose.matrix.show import rows

        def finished(name: str, size: str, cells: Sequence[Cell]) -> None:
            output.table(rows(cells), ("route", "runtime", "difference"), title=f"{name}, {size}")
            output.text("")

        found = matrix(names, routes=routes, runtimes=runtimes, path=path, keep=keep, started=say, finished=finished)
    output.add(**found.record())
    refusals = len(found.cells) - found.numbers
    output.text(f"{found.numbers} numbers, {refusals} refusals; over tolerance: {len(found.over)}")
    found.check()
