"""This module is the command `python -m training deployment`."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from training.cli import rows
from training.cli.kept import keep

if TYPE_CHECKING:
    from training.measure.deployment import Deployment


@click.command("deployment")
@options.ckpt
@click.option("--data", type=options.FilePath, help="Folder (or file) with the labelled pictures.")
@click.option(
    "--kind",
    type=click.Choice(["fer2013", "ferplus", "drawn"]),
    help="What DATA is. Otherwise what the checkpoint was trained on.",
)
@click.option("--split", type=click.Choice(rows.OPEN_SPLITS), help=rows.SPLIT_HELP)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N labelled rows.")
@click.option("--fill", is_flag=True, help="Only find the landmarks of the rows, labelled or not, and keep them.")
@click.option("-o", "--output", "folder", type=options.FilePath, help="Write a sheet of pictures and a JSON there.")
@command
def main(
    output: Output,
    ckpt: Path | None,
    data: Path | None,
    kind: str | None,
    split: str | None,
    limit: int | None,
    fill: bool,
    folder: Path | None,
) -> None:
    """Measure what detection and the page's crop cost a checkpoint.

    Pictures are padded by their edge, a quarter of the side all around, and
    enlarged four times, bicubic. The faces that the page's cascade then
    finds are aligned, cropped and classified. The answers are compared with
    those for the pictures themselves, on the rows where a face was found.

    Landmarks are kept in the cache, so a second checkpoint takes seconds
    and a run that was stopped goes on where it was.

    \b
    Examples:
      python -m training deployment --data ../shared/data --limit 400
      python -m training deployment --ckpt runs/resnet9/best.safetensors \\
          --data ../shared/data -o runs/resnet9/deployment
      python -m training deployment --data ../shared/data --kind fer2013 \\
          --split Training --fill
    """
    if fill and folder is not None:
        raise UsageError("--fill measures nothing, so there is nothing to write with -o")

    from fer_export.formats import checkpoint as checkpoints
    from training.data import cascade_crops
    from training.measure import deployment
    from training.report import deployment_sheet

    path = ckpt or checkpoints.PRETRAINED
    loaded = checkpoints.load_checkpoint(path)
    with output.working("reading the pictures"):
        faces = rows.choose(loaded.contract, data, kind, split, run=path.resolve().parent, limit=limit)
    if fill:
        with rows.bar(output, len(faces), "looking for faces") as progress:
            found = cascade_crops.landmarks(faces.pixels, progress=progress).isfinite().all(2).all(1)
        output.add(pictures=len(faces), faces_found=int(found.sum()))
        output.text(f"{int(found.sum()):,} faces in {len(faces):,} pictures of {faces.split[0]}")
        return
    with rows.bar(output, len(faces.labelled()), "looking for faces") as progress:
        measured = deployment.measure_deployment(loaded, faces, progress=progress)
    record = {"checkpoint": str(path), "weights_sha256": loaded.contract.weights_sha256, **measured.record()}
    output.add(**record)
    for line in _lines(measured, min(output.console.width, 100)):
        output.text(line)
    keep(output, folder, "deployment", record, lambda path: deployment_sheet.draw(measured, path))


def _lines(measured: Deployment, width: int) -> list[str]:
    pictures, lost = measured.pictures, measured.lost
    lines = textwrap.wrap(f"{pictures.data}, {pictures.split}, n = {measured.samples:,}", width)
    lines += textwrap.wrap(f"labels: {pictures.protocol}", width)
    without = measured.unfound_accuracy
    table = {
        "faces found": f"{measured.share * 100:.2f} %  ({len(measured.rows):,})",
        "pictures right": f"{pictures.accuracy * 100:.2f} %",
        "crops right": f"{lost.accuracy * 100:.2f} %",
        "gap": f"{lost.points:.2f} ± {lost.bound:.2f} points  (95 %, paired)",
        "same answer": f"{measured.agreement * 100:.2f} %",
        "without a face": "none" if without is None else f"{without * 100:.2f} %  of these pictures right",
    }
    return [*lines, "", *(f"{name:<16}{value}" for name, value in table.items()), ""]
