"""`fer-export tf`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError

if TYPE_CHECKING:
    from fer_export.contract import Converter

CONVERTERS = ("direct", "onnx2tf", "onnx-tf")


@click.command("tf")
@click.option("--from", "source", type=options.FilePath, default=options.ONNX_FILE, show_default=True)
@click.option(
    "-o", "--output", "path", type=options.FilePath, default=Path("build/saved_model"), show_default=True,
    help="Folder of the SavedModel.",
)  # fmt: skip
@click.option("--converter", type=click.Choice(CONVERTERS), default="direct", show_default=True)
@click.option("--frozen", type=options.FilePath, help="Also write a frozen graph: FILE.pb.")
@options.ckpt
@options.arch
@command
def main(
    output: Output,
    source: Path,
    path: Path,
    converter: Converter,
    frozen: Path | None,
    ckpt: Path | None,
    arch: str | None,
) -> None:
    """Write an ONNX file as a TensorFlow SavedModel, checked in TensorFlow.

    direct is the graph that fer-export tfjs writes. onnx2tf and onnx-tf are others' converters, to
    hold it against. onnx-tf needs an older opset, which is made from the checkpoint (--ckpt).
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
    with output.working("reading the ONNX file") as say:
        from fer_export.convert import saved_model
        from fer_export.formats.onnx import load_onnx
        from fer_export.tfenv.worker import Worker

        model, contract = load_onnx(source)
        opset15 = None
        if converter == "onnx-tf":
            from fer_export.convert.opset15 import made_again
            from fer_export.formats import checkpoint
            from fer_export.importing import assemble

            say("exporting again, in opset 15")
            loaded, net = assemble.load(ckpt or checkpoint.PRETRAINED, arch, contract)
            opset15 = made_again(loaded, contract, batch=contract.fixed_batch, net=net)
        say("starting TensorFlow, then converting and checking")
        with Worker(saved_model.ENVIRONMENT[converter]) as worker:
            written = saved_model.export(
                model, contract, path, worker=worker, converter=converter, frozen=frozen, opset15=opset15
            )
    output.text(f"{source} -> {path}  ({converter}, {written.bytes / 1e6:.2f} MB)")
    if frozen:
        output.text(f"{source} -> {frozen}  ({frozen.stat().st_size / 1e6:.2f} MB)")
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference onnxruntime")
    output.add(path=str(path), converter=converter, bytes=written.bytes, frozen=str(frozen) if frozen else None)
    output.next("fer-export litert, or fer-export tfjs --via tensorflowjs")
