"""This module is the command `fer-export page`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.contract import WeightsDType
from fer_export.formats.packaged import PRETRAINED
from fer_export.formats.places import MODEL_FOLDER


@click.command("page")
@click.option("-o", "--output", "path", type=options.FilePath, required=True, help="Folder of the page.")
@click.option("--model", type=options.Checkpoint(), help="TF.js folder, ONNX file, checkpoint or a packaged name. "
              f"[{MODEL_FOLDER} where that is, else ferplus]")  # fmt: skip
@click.option("--detector", type=options.FilePath, metavar="FOLDER", help="Of fer-export detector. [detector in the "
              "model's folder, else it is exported]")  # fmt: skip
@click.option("--weights", type=click.Choice(get_args(WeightsDType)), help="Of a model that is converted. [float16]")
@options.backends
@click.option("--only-models", is_flag=True, help="Write dist/models.js alone, into a page that is there.")
@options.force
@command
def main(
    output: Output,
    path: Path,
    model: Path | None,
    detector: Path | None,
    weights: WeightsDType | None,
    backends: tuple[str, ...],
    only_models: bool,
    force: bool,
) -> None:
    """Write the whole web page into a folder, with a model in it; no Node is needed.

    The page opens from disk and from any static host, and sends nothing anywhere. A checkpoint or an
    ONNX file is converted first, with parity.

    \b
    Examples:
      fer-export page -o site
      fer-export page -o site --model best.safetensors --weights float32
      fer-export page -o site --model web/model
      fer-export page -o site --model other.onnx --only-models
    """
    chosen = model or (MODEL_FOLDER if (MODEL_FOLDER / "model.json").is_file() else PRETRAINED)
    with output.working("reading the model") as say:
        from fer_export import page

        made = page(
            path, model=chosen, detector=detector, weights=weights,
            backends=backends if options.written(["backends"]) else None,
            only_models=only_models, force=force, started=say,
        )  # fmt: skip
    output.text(f"{chosen} -> {path}  ({made.contract.architecture.name}, {made.bytes / 1e6:.2f} MB)")
    if made.figures:
        output.parity(made.figures, f"{made.figures[0].samples} samples, reference {made.figures[0].reference}")
    output.add(path=str(path), index=str(made.index), model=str(chosen), bytes=made.bytes)
    output.text(f"open it: {made.index.resolve().as_uri()}")
