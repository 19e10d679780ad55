"""This module holds the commands `python -m training data …`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.table import Table

from fer_export.cli.output import Output, command
from fer_export.files import replacing
from training.cli import options
from training.data.faces import Faces
from training.data.inspection import Inspection


@click.group("data", context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look at labelled pictures before they are trusted."""


@main.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--kind", type=click.Choice(["fer2013", "ferplus", "folder", "voc"]), default="fer2013", show_default=True
)
@click.option("--protocol", type=click.Choice(["majority", "argmax", "soft"]), default="majority", show_default=True)
@click.option("--size", type=click.IntRange(16, 512), default=48, show_default=True, help="Of folder and voc pictures.")
@click.option("--skip-bad", is_flag=True, help="List files that cannot be read and go on.")
@click.option("--near/--no-near", default=True, show_default=True, help="Look for near copies too.")
@click.option("-o", "--output", "folder", type=options.Folder, default=Path("build/inspect"), show_default=True)
@command
def inspect(
    output: Output, path: Path, kind: str, protocol: str, size: int, skip_bad: bool, near: bool, folder: Path
) -> None:
    """Count classes and find copies, conflicting labels and flat pictures.

    Writes inspection.json, with every copy by file and row, and
    contact_sheet.png to look at. The sheet shows pictures of the data set,
    so the terms of the data set apply to it.

    \b
    Examples:
      python -m training data inspect ../shared/data
      python -m training data inspect ../shared/data --kind ferplus
      python -m training data inspect crops --kind folder -o build/crops
    """
    from training.data import inspection, inspection_sheet
    from training.data.sources import load_faces

    with output.working("reading"):
        faces = load_faces(kind, path, protocol=protocol, size=size, skip_bad=skip_bad)
    with output.working(f"comparing {len(faces):,} pictures with each other"):
        found = inspection.inspect(faces, near=near)
    record = found.record(faces)
    with replacing(folder / "inspection.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    inspection_sheet.write(faces, found, folder / "contact_sheet.png")
    output.add(**record)
    _show(output, faces, found, near=near)
    output.text(f"{folder / 'inspection.json'}, {folder / 'contact_sheet.png'}")
    output.next("python -m training fit --drop-leaks near leaves copies of checked pictures out")


@main.command("parse-time")
@click.argument("path", type=click.Path(path_type=Path))
@command
def parse_time(output: Output, path: Path) -> None:
    """Time our FER2013 reader beside pandas, on the same file in one run.

    \b
    Examples:
      python -m training data parse-time ../shared/data
    """
    from training.data import parse_time as timing

    with output.working("reading the file four times"):
        found = timing.time_parsing(path)
    output.add(**found.record())
    for line in found.lines():
        output.text(line)


def _show(output: Output, faces: Faces, found: Inspection, *, near: bool) -> None:
    if output.as_json:
        return
    splits = list(found.counts)
    output.text(f"{found.name}, {found.protocol}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for split in splits:
        table.add_column(split, justify="right")
    for label in (*faces.labels, "none"):
        if any(label in counts for counts in found.counts.values()):
            table.add_row(label, *(f"{found.counts[split].get(label, 0):,}" for split in splits))
    table.add_row("all", *(f"{sum(found.counts[split].values()):,}" for split in splits), style="bold")
    output.console.print(table)
    output.text(f"exact copies        {len(found.exact):,} groups of {sum(map(len, found.exact)):,} rows")
    _by_split(output, found.exact_rows)
    if near:
        output.text(f"near copies         {len(found.near):,} pairs, exact ones counted once")
        _by_split(output, found.near_rows)
        output.text("leaks               exact and near copies together")
        for leak, count in found.leaks.items():
            other, _, one = leak.partition(" from ")
            output.text(f"  {count:>6,} rows of {other} whose picture is in {one} too")
    output.text(f"conflicting labels  {len(found.conflicts):,} groups of the same picture")
    output.text(f"flat pictures       {len(found.flat):,}")


def _by_split(output: Output, rows: dict[str, int]) -> None:
    for split, count in rows.items():
        one, across, other = split.partition(" / ")
        what = f"rows of {other} with a copy in {one}" if across else f"rows of {one} with a copy in it"
        output.text(f"  {count:>6,} {what}")
