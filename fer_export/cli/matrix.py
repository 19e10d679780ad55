"""This module is the command `fer-export matrix`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.convert.routes import ROUTES
from fer_export.diagnose.matrix.show import MARKDOWN_START
from fer_export.errors import ParityError, UsageError
from fer_export.runtimes.registry import names as registered

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
    kinds = {ROUTES[route].kind for route in routes or ROUTES}
    idle = [name for name in runtimes if not any(name in registered(kind) for kind in kinds)]
    if idle:
        raise UsageError(f"{idle[0]} runs nothing that the routes asked for end in")
    if path is not None:
        _check_place(path)
    with output.working("loading torch") as say:
        from fer_export import models
        from fer_export.diagnose.matrix import cells, nets, show
        from fer_export.diagnose.matrix.fill import fill_cells
        from fer_export.files import replacing
        from fer_export.formats import checkpoint
        from fer_export.runtimes.tfjs import Browser

        kept = cells.Kept(keep)
        wanted = [route for route in ROUTES if route in routes or not routes]
        # All models are built first, so that a wrong name is reported at once and not after an hour.
        say("building the models")
        loaded = {name: nets.named(name, small=True) for name in names or (*checkpoint.packaged(), *models.names())}
        filled: list[cells.Cell] = []
        for name, one in loaded.items():
            # Each model gets its own browser, so that memory one model leaves behind does not affect the next.
            with Browser() as browser:
                found = fill_cells(
                    name, one, browser=browser, wanted=wanted, runtimes=runtimes or None, kept=kept, started=say
                )
            headings = ("route", "runtime", "difference")
            output.table(show.rows(found), headings, title=f"{name}, {nets.described(one)}")
            output.text("")
            filled += found
        if path is not None:
            with replacing(path) as temporary:
                temporary.write_text(show.markdown(filled), "utf-8")
    over = [cell for cell in filled if cell.over]
    numbers = sum(cell.difference is not None for cell in filled)
    output.add(cells=[cell.record() for cell in filled], path=str(path) if path else None)
    output.text(f"{numbers} numbers, {len(filled) - numbers} refusals; over tolerance: {len(over)}")
    if over:
        first = over[0]
        told = first.refusal or f"{first.difference:.1e} from torch"
        raise ParityError(f"{first.model}, {first.route}, {first.runtime}: {told}")


def _check_place(path: Path) -> None:
    """Refuse, before hours of work, to replace a file that is no table of this command."""
    if path.is_file() and path.stat().st_size and not path.read_bytes().startswith(MARKDOWN_START.encode()):
        raise UsageError(
            f"{path} is there already, and is no table of fer-export matrix", hint="-o FILE.md names another"
        )
