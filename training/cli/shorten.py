"""This module is the command `python -m training shorten`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from training.cli.options import made_of


@click.command("shorten")
@options.ckpt
@click.option("--blocks", "text", default="1,1,1", show_default=True, help="How many to keep of each stage.")
@click.option(
    "-o",
    "--output",
    "path",
    type=options.FilePath,
    help="Checkpoint to write; otherwise CKPT-short, in this folder for a packaged model.",
)
@command
def main(output: Output, ckpt: Path | None, text: str, path: Path | None) -> None:
    """Take residual blocks out of a net, as the start of a cheaper one, for `fit --init`.

    The net answers worse than before until it is trained again, best with the whole
    net as its teacher.

    \b
    Examples:
      python -m training shorten --ckpt ferplus
      python -m training shorten --ckpt fer2013
      python -m training fit --recipe short --data ../shared/data \\
          --init ferplus-short.safetensors --init fer2013-short.safetensors \\
          --teacher ferplus --teacher fer2013
    """
    from fer_export.formats import checkpoint
    from fer_export.models import cost
    from training.weights.shorten import shorten

    try:
        blocks = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--blocks {text}: it is a number for each stage, such as 1,1,1") from None
    source = ckpt or checkpoint.PRETRAINED
    made = shorten(checkpoint.load_checkpoint(source), blocks)
    path = path or made_of(source, "short")
    checkpoint.save(made, path)
    output.add(checkpoint=str(path), blocks=blocks)
    output.text(f"{made.contract.architecture.name}, blocks {text}, {cost.of(made.contract)}: {path}")
    output.next(f"python -m training fit --recipe short --init {path} --data …")
