"""`fer-export onnx`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError


@click.command("onnx")
@options.ckpt
@click.option("-o", "--output", "path", type=options.FilePath, default=options.ONNX_FILE, show_default=True)
@click.option("--opset", type=click.IntRange(1), default=20, show_default=True, help="Opset of the file, exactly.")
@click.option("--batch", default="dynamic", show_default=True, help="dynamic, or a fixed number.")
@command
def main(output: Output, ckpt: Path | None, path: Path, opset: int, batch: str) -> None:
    """Write a checkpoint as ONNX and show that onnxruntime computes what torch does.

    \b
    Examples:
      fer-export onnx
      fer-export onnx --ckpt runs/fernet/best.safetensors -o build/fer.onnx
      fer-export onnx --opset 18 --batch 1
    """
    fixed = _batch(batch)
    with output.working("loading torch") as say:
        from fer_export import checkpoint
        from fer_export.export import onnx

        say("reading the checkpoint")
        source = ckpt or checkpoint.PRETRAINED
        loaded = checkpoint.load(source)
        say(f"exporting {loaded.contract.architecture.name} by torch.onnx, then checking with onnxruntime")
        exported = onnx.export(loaded.module(), loaded.contract, path, opset=opset, batch=fixed)
    size = path.stat().st_size
    output.text(f"{source} -> {path}  (opset {opset}, batch {batch}, {size / 1e6:.2f} MB)")
    output.parity(exported.figures, f"{exported.figures[0].samples} pictures, reference torch")
    output.add(source=str(source), path=str(path), opset=opset, bytes=size, operators=exported.operators)
    output.next(f"fer-export tfjs --from {path}")


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdigit() or not int(text):
        raise UsageError(f"--batch {text}: it is 'dynamic' or a number from 1")
    return int(text)
