"""This module is the command `python -m training prepare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from fer_export.cli.options import FilePath
from fer_export.cli.output import Output, command


@click.command("prepare")
@click.argument("photos", type=FilePath)
@click.option("-o", "--output", "path", type=FilePath, required=True, help="Folder for the crops.")
@click.option("--size", type=int, default=48, show_default=True, help="Side of the crops, in pixels.")
@click.option("--color", type=click.Choice(["gray", "rgb"]), default="gray", show_default=True)
@click.option("--min-face", type=float, default=40, show_default=True, help="Smallest face, in the photo's pixels.")
@click.option("--min-score", type=float, default=0.9, show_default=True, help="Least probability of a face, 0 to 1.")
@click.option("--skip-bad", is_flag=True, help="List photos that cannot be read and go on.")
@click.option("--force", is_flag=True, help="Settings changed: remove the old crops and begin anew.")
@command
def main(
    output: Output,
    photos: Path,
    path: Path,
    size: int,
    color: Literal["gray", "rgb"],
    min_face: float,
    min_score: float,
    skip_bad: bool,
    force: bool,
) -> None:
    """Find, align and crop the faces of a folder of photos.

    Subfolders are kept, so that PHOTOS/happy/x.jpg becomes CROPS/happy/x-0.png.
    Beside the crops it writes provenance.csv (photo, its sha256, box, landmarks,
    score) and contact_sheet.png to look at. Delete the crops that show no face;
    they do not come back. The same command again goes on where it was stopped.

    \b
    Examples:
      python -m training prepare photos -o crops
      python -m training prepare photos -o crops --size 112 --color rgb
      python -m training prepare photos -o crops --min-face 24 --skip-bad
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.data import prepare

    settings = prepare.Settings(size, color, min_face, min_score)
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = output.as_json or not sys.stderr.isatty()
    try:
        with Progress(*columns, console=output.notes, transient=True, disable=hidden) as bar:
            task = bar.add_task("photos", total=None)
            summary = prepare.prepare(
                photos,
                path,
                settings,
                skip_bad=skip_bad,
                force=force,
                progress=lambda done, count: bar.update(task, completed=done, total=count),
            )
    except KeyboardInterrupt:
        output.notes.print("stopped; the same command goes on from here")
        raise
    for reason in summary.skipped:
        output.notes.print(f"skipped: {reason}", markup=False, soft_wrap=True)
    output.text(f"{photos} -> {path}")
    before = f" ({summary.done_before} done before)" if summary.done_before else ""
    output.text(f"photos        {summary.photos}{before}")
    output.text(f"faces         {summary.faces}")
    output.text(f"without face  {len(summary.without_face)}")
    output.text(f"skipped       {len(summary.skipped)}")
    if summary.gone:
        output.text(f"photo gone    {len(summary.gone)} crops, kept; the first: {summary.gone[0]}")
    output.text(f"look at       {path / prepare.SHEET}")
    output.add(
        photos=summary.photos,
        done_before=summary.done_before,
        faces=summary.faces,
        without_face=summary.without_face,
        skipped=summary.skipped,
        gone=summary.gone,
        output=str(path),
        provenance=str(path / prepare.PROVENANCE),
        contact_sheet=str(path / prepare.SHEET),
    )
