"""`python -m training`: see `--help`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
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
@click.option("--init", type=click.Path(path_type=Path), help="Checkpoint to start from, for a second stage.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--seed", type=int, help="Instead of the recipe's.")
def fit(
    name: str | None,
    data: Path | None,
    output: Path | None,
    resume: bool,
    init: Path | None,
    epochs: int | None,
    seed: int | None,
) -> None:
    """Train by a recipe.

    \b
    Examples:
      python -m training fit --data ../shared/data --recipe ferplus
      python -m training fit --data ../shared/data --recipe ferplus --resume
      python -m training fit --data ../shared/data --recipe ferplus_calm --init runs/ferplus/last.safetensors
      python -m training fit                         (drawn faces, for trying out)
    """
    from fer_export import checkpoint
    from training.fit import fit as run
    from training.recipe import read

    with _reported():
        if data is None and name is None:
            click.echo(_NO_DATA, err=True)
        changes = {key: value for key, value in (("epochs", epochs), ("seed", seed)) if value is not None}
        recipe = read(name or ("ferplus" if data else "drawn"), **changes)
        start = checkpoint.load(init) if init else None
        best = run(recipe, data, output or Path("runs") / recipe.name, resume=resume, init=start)
    click.echo(f"{best}\nnext: fer-export onnx --ckpt {best}")


@main.command()
@click.option("--ckpt", type=click.Path(path_type=Path), help="Checkpoint; the pretrained one otherwise.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder with fer2013.csv[.xz] and fer2013new.csv.")
@click.option("--source", type=click.Choice(["ferplus", "drawn"]), default="ferplus", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def evaluate(ckpt: Path | None, data: Path | None, source: str, as_json: bool) -> None:
    """Measure a checkpoint on the rows that choose: one view, no augmentation, float32.

    \b
    Examples:
      python -m training evaluate --data ../shared/data
      python -m training evaluate --ckpt runs/drawn/best.pth --source drawn
    """
    from fer_export import checkpoint
    from training.evaluation import evaluate as measure

    with _reported():
        result = measure(checkpoint.load(ckpt or checkpoint.PRETRAINED), data, source)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=1))
        return
    click.echo(f"{result.split}, {result.protocol}, n = {result.samples}")
    click.echo(f"accuracy {result.accuracy:.2%}   macro-F1 {result.macro_f1:.3f}")
    for name, recall in result.recall.items():
        click.echo(f"  {name:<10} n = {result.counts[name]:<5} recall {'–' if recall is None else f'{recall:.1%}'}")


@contextmanager
def _reported() -> Iterator[None]:
    """A known error becomes one line and its exit code."""
    try:
        yield
    except FerExportError as error:
        click.echo(f"error: {error.reason}" + (f"\nhint: {error.hint}" if error.hint else ""), err=True)
        sys.exit(error.exit_code)


_NO_DATA = """\
No DATA given. For a model of real faces get FER2013 (fer2013.csv, Kaggle: "Challenges in Representation
Learning: Facial Expression Recognition Challenge") and Microsoft's FER+ votes (fer2013new.csv, from
github.com/microsoft/FERPlus), put both into one folder, then: make train DATA=folder RECIPE=ferplus
Training on drawn faces meanwhile: the checkpoint goes down the whole road but knows no real face.
"""

if __name__ == "__main__":
    main(prog_name="python -m training")
