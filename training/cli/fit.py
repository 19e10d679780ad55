"""This module is the command `python -m training fit`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from fer_export.cli.options import Checkpoint
from fer_export.cli.output import Output, command
from training.cli import options

_NO_DATA = """\
No --data given. For a model of real faces get FER2013 (fer2013.csv, Kaggle's competition
challenges-in-representation-learning-facial-expression-recognition-challenge) and Microsoft's FER+
votes (fer2013new.csv, from github.com/microsoft/FERPlus), put both into one folder, then:
make train DATA=folder RECIPE=fernet
Training on drawn faces meanwhile: the checkpoint goes down the whole road but knows no real face.
"""


@click.command("fit")
@click.option("--recipe", "name", help="A name from `recipes`, torchvision:NAME, or a YAML file.")
@options.data
@click.option("-o", "--output", "folder", type=options.Folder, help="Folder of the run; runs/<recipe> otherwise.")
@click.option("--resume", is_flag=True, help="Go on after the last epoch in the folder.")
@click.option(
    "--init",
    type=Checkpoint(),
    multiple=True,
    help="Checkpoint to start from; for two heads, up to one of each.",
)
@click.option("--weights", type=options.FilePath, help="Local file for the recipe's pretrained weights.")
@click.option(
    "--teacher",
    "teachers",
    type=Checkpoint(),
    multiple=True,
    help="For recipes that learn from one in every step: folder of a run, checkpoint, or a packaged name; repeat.",
)
@click.option("--which", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Its epoch.")
@options.changes
@click.option(
    "--drop-leaks",
    type=click.Choice(["exact", "near"]),
    is_flag=False,
    flag_value="exact",
    help="Leave out training pictures that copy a checked one.",
)
@click.option("--epochs", type=click.IntRange(1), help="Of every stage, instead of the recipe's.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the recipe's.")
@click.option("--limit", type=click.IntRange(2), default=None, help="Only so many pictures, for trying out.")
@options.device
@click.option("--devices", type=click.IntRange(1), default=1, help="Processes on this machine.", show_default=True)
@command
def main(
    output: Output,
    name: str | None,
    data: dict[str, Path],
    folder: Path | None,
    resume: bool,
    init: tuple[Path, ...],
    weights: Path | None,
    teachers: tuple[Path, ...],
    which: str,
    changes: tuple[str, ...],
    drop_leaks: str | None,
    epochs: int | None,
    seed: int | None,
    limit: int | None,
    device: str,
    devices: int,
) -> None:
    """Train by a recipe. Best and last checkpoint, history and report go into one folder.

    \b
    Examples:
      python -m training fit --recipe fernet --data ../shared/data
      python -m training fit --recipe fernet --data ../shared/data --resume
      python -m training fit --recipe resnet9 --data ../shared/data \\
          --set stages.0.optimizer.learning_rate=0.002 --drop-leaks near
      python -m training fit --recipe resnet18_gray --data ../shared/data \\
          --weights resnet18.pth
      python -m training fit --recipe torchvision:mobilenet_v3_small \\
          --data ../shared/data --devices 2
      python -m training fit --recipe small --data ../shared/data \\
          --teacher ferplus --teacher fer2013
      python -m training fit             (drawn faces, for trying out)
    """
    if devices > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        sys.exit(_torchrun(devices))

    from fer_export.formats import checkpoint
    from training.fit.run import Run, fit, is_first
    from training.recipe import read_recipe
    from training.report.run_report import write_run_report

    if not data and name is None and is_first():
        click.echo(_NO_DATA, err=True)
    if drop_leaks:
        changes = (*changes, f"data.drop_leaks={drop_leaks}")
    recipe = read_recipe(name or ("fernet" if data else "drawn"), changes=changes, epochs=epochs, seed=seed)
    run = Run(
        folder=folder or Path("runs") / recipe.name,
        data=data,
        resume=resume,
        init=[checkpoint.load_checkpoint(one) for one in init],
        weights=weights,
        teachers=teachers,
        which=which,
        limit=limit or 0,
        device=device,
        progress=not output.as_json,
        finish=write_run_report,
    )
    best = fit(recipe, run)
    if not is_first():
        sys.exit(0)
    both = [best, *([run.folder / recipe.second / best.name] if recipe.second else [])]
    figures = [metric for path in both for metric in checkpoint.load_checkpoint(path).contract.metrics]
    output.add(best=str(best), report=str(run.folder / "report.html"), metrics=[m.model_dump() for m in figures])
    for metric in figures:
        output.text(f"{metric.name:<9} {metric.value:.4f}  {metric.split}, n = {metric.samples}: {metric.protocol}")
    output.text(f"report: {run.folder / 'report.html'}")
    output.next(f"fer-export onnx --ckpt {best}")


def _torchrun(devices: int) -> int:
    """Run the same command in several processes, as torchrun starts them; return the exit code."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    return subprocess.run([*launcher, "-m", "training", *sys.argv[1:]], check=False).returncode
