"""`python -m training`: see `--help`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_export.errors import FerExportError


@click.group()
def main() -> None:
    """Train face-emotion nets into checkpoints that carry their contract."""


@main.command()
@click.option("--recipe", "name", default=None, help="A name in training/recipes or a YAML file.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder with fer2013.csv[.xz] and fer2013new.csv.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the run; runs/<recipe> otherwise.")
@click.option("--resume", is_flag=True, help="Go on from the last epoch in the folder.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--seed", type=int, help="Instead of the recipe's.")
def fit(
    name: str | None, data: Path | None, output: Path | None, resume: bool, epochs: int | None, seed: int | None
) -> None:
    """Train by a recipe.

    \b
    Examples:
      python -m training fit --data ../shared/data --recipe ferplus
      python -m training fit --data ../shared/data --recipe ferplus --resume
      python -m training fit                         (drawn faces, for trying out)
    """
    from training.fit import fit as run
    from training.recipe import read

    try:
        if data is None and name is None:
            click.echo(_NO_DATA, err=True)
        changes = {key: value for key, value in (("epochs", epochs), ("seed", seed)) if value is not None}
        recipe = read(name or ("ferplus" if data else "drawn"), **changes)
        best = run(recipe, data, output or Path("runs") / recipe.name, resume=resume)
    except FerExportError as error:
        click.echo(f"error: {error.reason}" + (f"\nhint: {error.hint}" if error.hint else ""), err=True)
        sys.exit(error.exit_code)
    click.echo(f"{best}\nnext: fer-export onnx --ckpt {best}")


_NO_DATA = """\
No DATA given. For a model of real faces get FER2013 (fer2013.csv, Kaggle: "Challenges in Representation
Learning: Facial Expression Recognition Challenge") and Microsoft's FER+ votes (fer2013new.csv, from
github.com/microsoft/FERPlus), put both into one folder, then: make train DATA=folder RECIPE=ferplus
Training on drawn faces meanwhile: the checkpoint goes down the whole road but knows no real face.
"""

if __name__ == "__main__":
    main(prog_name="python -m training")
