"""This module is the command `python -m training distil`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli.options import Checkpoint
from fer_export.cli.output import Output, command
from training.cli import options, rows


@click.command("distil")
@click.option("--recipe", "name", required=True, help="Whose data and first augmentation the views are made by.")
@options.data
@click.option(
    "--teacher",
    "sources",
    type=Checkpoint(),
    multiple=True,
    required=True,
    help="Folder of a run, checkpoint, or a packaged model's name; repeat.",
)
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Its epoch.")
@click.option("--mirrored", is_flag=True, help="Let them answer for the mirrored views too: better, twice as long.")
@click.option("--views", type=click.IntRange(1, 999), default=16, show_default=True, help="Of each picture.")
@click.option("-o", "--output", "folder", type=options.Folder, help="build/views otherwise.")
@options.changes
@click.option("--seed", type=click.IntRange(0), help="Of the draws, instead of the recipe's.")
@click.option("--limit", type=click.IntRange(2), default=None, help="Only so many pictures, for trying out.")
@options.device
@command
def main(
    output: Output,
    name: str,
    data: dict[str, Path],
    sources: tuple[Path, ...],
    which: str,
    mirrored: bool,
    views: int,
    folder: Path | None,
    changes: tuple[str, ...],
    seed: int | None,
    limit: int | None,
    device: str,
) -> None:
    """Let teachers answer for augmented views of the training pictures, for a student to learn from.

    Each view is stored with the mean of the teachers' answers, so that a student
    sees what they saw and no teacher runs while it is trained. Called again with
    more --views, it makes those that are missing. A view of FER2013 takes 68 MB.
    For a set of labels that no teacher knows, the student learns from the labels.

    \b
    Examples:
      python -m training distil --recipe two_heads --data ../shared/data \\
          --teacher runs/a --teacher runs/b --mirrored --views 16 -o build/views
      python -m training distil --recipe two_heads --data ../shared/data \\
          --teacher ferplus --teacher fer2013
      python -m training fit --recipe student --data ../shared/data \\
          --data views=build/views
    """
    from training.data.sources import limited, load_split
    from training.fit.teachers import load_teachers
    from training.recipe import read_recipe
    from training.weights import distil

    recipe = read_recipe(name, changes=changes, seed=seed)
    folder = folder or Path("build") / "views"
    split = load_split(recipe.data, data, size=recipe.size, seed=recipe.seed)
    faces = (limited(split, limit) if limit else split).train
    teachers = load_teachers(sources, faces, which)
    with rows.bar(output, views * len(faces), "views") as advance:
        made = distil.make_views(
            folder,
            faces,
            teachers,
            recipe.stages[0].augmentation,
            size=recipe.size,
            views=views,
            seed=recipe.seed,
            mirrored=mirrored,
            device=device,
            progress=advance,
        )
    output.add(folder=str(folder), views=views, made=made, pictures=len(faces), teachers=len(teachers))
    output.text(f"{views} views of {len(faces)} pictures by {len(teachers)} teacher(s), {made} made now: {folder}")
    output.next(f"python -m training fit --recipe student --data … --data views={folder}")
