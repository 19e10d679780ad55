"""This module is the command `python -m training average`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from training.cli import rows


@click.command("average")
@click.option("--ckpt", "ckpts", type=options.Checkpoint(), multiple=True, required=True, help="Two or more; repeat.")
@click.option("--data", type=options.FilePath, help="Folder (or file) with the pictures they were trained on.")
@click.option("--kind", type=click.Choice(rows.KINDS), help="What DATA is; otherwise what the checkpoints are for.")
@click.option("--limit", type=click.IntRange(2), default=8192, show_default=True, help="Pictures to measure batch "
              "statistics on.")  # fmt: skip
@click.option("-o", "--output", "path", type=options.FilePath, required=True, help="Checkpoint to write.")
@command
def main(output: Output, ckpts: tuple[Path, ...], data: Path | None, kind: str | None, limit: int, path: Path) -> None:
    """Average the weights of runs that started from the same ones.

    This is also called a model soup. The mean of such runs is often better than
    each of them, and costs no more to run. Batch statistics are measured again, on
    Training pictures without augmentation. Use `evaluate` to see whether the mean
    is better.

    \b
    Examples:
      python -m training average --ckpt runs/a/last.safetensors \\
          --ckpt runs/b/last.safetensors --data ../shared/data \\
          -o runs/mean.safetensors
      python -m training evaluate --ckpt runs/mean.safetensors \\
          --data ../shared/data
    """
    from fer_export.formats import checkpoint
    from training.data.faces import TRAINING
    from training.weights.model_soup import average

    loaded = [checkpoint.load_checkpoint(each) for each in ckpts]
    faces = rows.choose(loaded[0].contract, data, kind, TRAINING, limit=limit)
    with rows.bar(output, len(faces)) as progress:
        made = average(loaded, faces.pixels, progress=progress)
    checkpoint.save(made, path)
    output.add(checkpoint=str(path), of=[str(each) for each in ckpts], weights_sha256=made.contract.weights_sha256)
    output.text(f"mean of {len(loaded)} nets, batch statistics of {len(faces):,} pictures: {path}")
    output.next(f"python -m training evaluate --ckpt {path} --data …")
