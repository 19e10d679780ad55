"""This module is the command `python -m training robustness`."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from training.cli import rows
from training.cli.kept import keep

if TYPE_CHECKING:
    from training.measure.robustness import Robustness


@click.command("robustness")
@options.ckpt
@click.option("--data", type=options.FilePath, help="Folder (or file) with the labelled pictures.")
@click.option(
    "--kind", type=click.Choice(rows.KINDS), help="What DATA is. Otherwise what the checkpoint was trained on."
)
@click.option("--split", type=click.Choice(rows.OPEN_SPLITS), help=rows.SPLIT_HELP)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N labelled rows.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise.")
@click.option("-o", "--output", "folder", type=options.FilePath, help="Write the chart and a JSON there.")
@command
def main(
    output: Output,
    ckpt: Path | None,
    data: Path | None,
    kind: str | None,
    split: str | None,
    limit: int | None,
    seed: int,
    folder: Path | None,
) -> None:
    """Measure what light, blur, JPEG, noise and geometry cost a checkpoint.

    Each change is made to the same rows, one at a time, and compared with
    the clean pictures. The interval is the paired one, 95 %.

    \b
    Examples:
      python -m training robustness --data ../shared/data
      python -m training robustness --data ../shared/data --limit 400
      python -m training robustness --ckpt runs/resnet9/best.safetensors \\
          --data ../shared/data -o runs/resnet9/robustness
    """
    from fer_export.formats import checkpoint as checkpoints
    from training.measure import robustness
    from training.measure.robustness.measure import passes
    from training.report import robustness_chart

    path = ckpt or checkpoints.PRETRAINED
    loaded = checkpoints.load_checkpoint(path)
    with output.working("reading the pictures"):
        faces = rows.choose(loaded.contract, data, kind, split, run=path.resolve().parent, limit=limit)
    with rows.bar(output, len(faces.labelled()) * passes()) as progress:
        found = robustness.measure_robustness(loaded, faces, seed=seed, progress=progress)
    record = {"checkpoint": str(path), "weights_sha256": loaded.contract.weights_sha256, **found.record()}
    output.add(**record)
    for line in _lines(found, min(output.console.width, 100)):
        output.text(line)
    keep(output, folder, "robustness", record, lambda path: robustness_chart.draw(found, path))


def _lines(found: Robustness, width: int) -> list[str]:
    clean = found.clean
    lines = textwrap.wrap(f"{clean.data}, {clean.split}, n = {clean.samples:,}", width)
    lines += textwrap.wrap(f"labels: {clean.protocol}", width)
    lines += ["", f"{'':<22}{'accuracy':>10}{'points lost':>15}", f"{'clean':<22}{clean.accuracy * 100:>8.2f} %"]
    for row in found.rows:
        cost = f"{row.lost.points:.2f} ± {row.lost.bound:.2f}"
        lines.append(f"{row.condition.name:<22}{row.lost.accuracy * 100:>8.2f} %{cost:>15}")
    return [*lines, f"{'mean of all':<22}{'':>10}{found.mean:>7.2f}", ""]
