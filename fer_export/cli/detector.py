"""This module is the command `fer-export detector`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.formats.places import DETECTOR_FOLDER, DETECTOR_ONNX_FOLDER

if TYPE_CHECKING:
    from fer_export.convert.detector import DetectorWeights


@click.command("detector")
@click.option("-o", "--output", "path", type=options.FilePath, default=DETECTOR_FOLDER, show_default=True)
@click.option(
    "--onnx", "onnx_path", type=options.FilePath, default=DETECTOR_ONNX_FOLDER, show_default=True,
    help="Folder for the ONNX files.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Choice(["float16", "float32"]), default="float16", show_default=True,
    help="Of TF.js's models.",
)  # fmt: skip
@options.backends
@options.force
@command
def main(
    output: Output, path: Path, onnx_path: Path, weights: DetectorWeights, backends: tuple[str, ...], force: bool
) -> None:
    """Write MTCNN's P-, R- and O-Net as ONNX and TF.js models, each with parity.

    The weights are those in facenet-pytorch's package. P-Net takes any height and width.

    \b
    Examples:
      fer-export detector
      fer-export detector --weights float32
      fer-export detector -o site/model/detector --backend wasm --backend webgl
    """
    with output.working("loading torch") as say:
        from fer_export import export_detector

        stages = export_detector(
            path, onnx_path, weights=weights, backends=backends, force=force,
            started=lambda name: say(f"exporting {name}"),
        )  # fmt: skip
    output.text(f"facenet-pytorch -> {path}/{{pnet,rnet,onet}}")
    for stage in stages:
        figures = [*stage.onnx.figures, *stage.tfjs.figures]
        output.parity(
            figures,
            f"{stage.name}: {figures[0].samples} samples, onnxruntime against torch, TF.js against onnxruntime",
        )
    output.add(path=str(path), onnx=str(onnx_path))
    output.next("fer-export page -o site")
