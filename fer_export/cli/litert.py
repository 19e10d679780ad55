"""This module is the command `fer-export litert`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.formats.places import LITERT_FILE, SAVED_MODEL


@click.command("litert")
@click.option(
    "--from", "source", type=options.FilePath, default=SAVED_MODEL, show_default=True,
    help="SavedModel of fer-export tf.",
)  # fmt: skip
@click.option("-o", "--output", "path", type=options.FilePath, default=LITERT_FILE, show_default=True)
@options.force
@command
def main(output: Output, source: Path, path: Path, force: bool) -> None:
    """Write a SavedModel as a .tflite file and show that LiteRT computes what TensorFlow does.

    TensorFlow runs in an environment of its own: fer-export env create tf.

    \b
    Examples:
      fer-export litert
      fer-export litert --from build/saved_model -o build/fer.tflite
    """
    with output.working("starting TensorFlow"):
        from fer_export import export, load

        written = export(load(source, "saved_model"), path, format="litert", force=force)
    output.text(f"{source} -> {path}  ({written.bytes / 1e6:.2f} MB)")
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference TensorFlow")
    output.add(path=str(path), bytes=written.bytes)
    output.next(f"fer-export verify {path}")
