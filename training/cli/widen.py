"""This module is the command `python -m training widen`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from training.cli.options import made_of


@click.command("widen")
@options.ckpt
@click.option("--factor", type=click.IntRange(2, 8), default=2, show_default=True, help="Times the width.")
@click.option("--noise", type=click.FloatRange(0, 1), default=0.2, show_default=True,
              help="Deviation of what each copied weight is multiplied by.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise.")
@click.option(
    "-o",
    "--output",
    "path",
    type=options.FilePath,
    help="Checkpoint to write; otherwise CKPT-wide, in this folder for a packaged model.",
)
@command
def main(output: Output, ckpt: Path | None, factor: int, noise: float, seed: int, path: Path | None) -> None:
    """Make a wider net that starts where a narrow one ended, for `fit --init`.

    Each channel is copied, and the next layer's weights are divided among the
    copies, so the answers stay the same; that is checked before anything is written.
    Noise then makes the copies differ, so that training can make use of them.

    \b
    Examples:
      python -m training widen --ckpt runs/two_heads_warm/last.safetensors \\
          -o runs/wide.safetensors
      python -m training fit --recipe teacher --init runs/wide.safetensors \\
          --data ../shared/data
    """
    from fer_export.formats import checkpoint
    from training.weights.widen import widen

    source = ckpt or checkpoint.PRETRAINED
    made = widen(checkpoint.load_checkpoint(source), factor, noise=noise, seed=seed)
    path = path or made_of(source, "wide")
    checkpoint.save(made, path)
    arguments, weights = made.contract.architecture.arguments, sum(value.numel() for value in made.state.values())
    output.add(checkpoint=str(path), arguments=arguments, values=weights)
    widths = arguments["widths"]
    assert isinstance(widths, tuple)
    told = ", ".join(str(width) for width in widths)
    output.text(f"{made.contract.architecture.name}, widths {told}, {weights / 1e6:.2f} M values: {path}")
    output.next(f"python -m training fit --recipe teacher --init {path} --data …")
