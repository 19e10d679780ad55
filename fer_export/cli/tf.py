"""This module is the command `fer-export tf`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.contract import Converter
from fer_export.errors import UsageError
from fer_export.formats.places import ONNX_FILE, SAVED_MODEL


@click.command("tf")
@click.option("--from", "source", type=options.FilePath, default=ONNX_FILE, show_default=True)
@click.option(
    "-o", "--output", "path", type=options.FilePath, default=SAVED_MODEL, show_default=True,
    help="Folder of the SavedModel.",
)  # fmt: skip
@click.option("--converter", type=click.Choice(get_args(Converter)), default="direct", show_default=True)
@click.option("--frozen", type=options.FilePath, help="Also write a frozen graph: FILE.pb.")
@options.ckpt
@options.arch
@options.force
@command
def main(
    output: Output,
    source: Path,
    path: Path,
    converter: Converter,
    frozen: Path | None,
    ckpt: Path | None,
    arch: str | None,
    force: bool,
) -> None:
    """Write an ONNX file as a TensorFlow SavedModel, checked in TensorFlow.

    direct is the graph that fer-export tfjs writes. onnx2tf and onnx-tf are converters of other
    projects, to compare it with. onnx-tf needs an older opset, which is made from the checkpoint (--ckpt).
    TensorFlow runs in an environment of its own: fer-export env create tf, or onnx-tf.

    \b
    Examples:
      fer-export tf
      fer-export tf --frozen build/fer.pb
      fer-export tf --converter onnx2tf -o build/onnx2tf
      fer-export tf --converter onnx-tf -o build/onnx-tf
      fer-export tf --converter onnx-tf --ckpt x.pth --arch net.py:Net
    """
    if arch and not ckpt:
        raise UsageError("--arch names the code of --ckpt")
    if ckpt and converter != "onnx-tf":
        raise UsageError("--ckpt is what --converter onnx-tf needs, and no other")
    with output.working("reading the ONNX file") as say:
        from fer_export import export, load
        from fer_export.importing.loading import load_with_code

        model = load(source, "onnx")
        made_from = None if ckpt is None else load_with_code(ckpt, arch, model.contract)
        written = export(
            model, path, format="saved_model", converter=converter, frozen=frozen, checkpoint=made_from, force=force,
            started=say,
        )  # fmt: skip
    output.text(f"{source} -> {path}  ({converter}, {written.bytes / 1e6:.2f} MB)")
    if frozen:
        output.text(f"{source} -> {frozen}  ({frozen.stat().st_size / 1e6:.2f} MB)")
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference onnxruntime")
    output.add(path=str(path), converter=converter, bytes=written.bytes, frozen=str(frozen) if frozen else None)
    output.next("fer-export litert, or fer-export tfjs --via tensorflowjs")
