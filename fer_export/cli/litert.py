"""`fer-export litert`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command


@click.command("litert")
@click.option(
    "--from", "source", type=options.FilePath, default=Path("build/saved_model"), show_default=True,
    help="SavedModel of fer-export tf.",
)  # fmt: skip
@click.option("-o", "--output", "path", type=options.FilePath, default=Path("build/fer.tflite"), show_default=True)
@command
def main(output: Output, source: Path, path: Path) -> None:
    """Write a SavedModel as a .tflite and show that LiteRT computes what TensorFlow does.

    TensorFlow runs in an environment of its own: fer-export env create tf.

    \b
    Examples:
      fer-export litert
      fer-export litert --from build/saved_model -o build/fer.tflite
    """
    with output.working("starting TensorFlow"):
        from fer_export.convert import litert
        from fer_export.tfenv.worker import Worker

        with Worker("tf") as worker:
            written = litert.export(source, path, worker=worker)
    output.text(f"{source} -> {path}  ({written.bytes / 1e6:.2f} MB)")
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference TensorFlow")
    output.add(path=str(path), bytes=written.bytes)
    output.next(f"fer-export verify {path}")
