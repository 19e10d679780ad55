"""This module is the command `python -m training tune`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli.output import Output, command
from training.cli import options


@click.command("tune")
@click.option("--recipe", "name", required=True, help="A name from `recipes`, or a YAML file, with a `search` in it.")
@options.data
@click.option(
    "-o", "--output", "folder", type=options.Folder, help="Folder of the search; runs/tune-<recipe> otherwise."
)
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="In all, over all workers.")
@click.option("--storage", help="Any Optuna storage URL; an SQLite file in the folder otherwise.")
@click.option("--study", help="Name of the search in the storage; the recipe's otherwise.")
@options.changes
@click.option("--epochs", type=click.IntRange(1), help="Of every stage, instead of the recipe's.")
@click.option("--limit", type=click.IntRange(2), default=None, help="Only so many pictures, for trying out.")
@command
def main(
    output: Output,
    name: str,
    data: dict[str, Path],
    folder: Path | None,
    trials: int,
    storage: str | None,
    study: str | None,
    changes: tuple[str, ...],
    epochs: int | None,
    limit: int | None,
) -> None:
    """Search the settings that a recipe's `search` names; bad trials are ended early.

    Called again, it goes on. Called on many machines with one --storage, all of
    them work on the same search. The accuracy on PublicTest chooses the settings,
    so they are tuned to these rows.

    \b
    Examples:
      python -m training tune --recipe fernet --data ../shared/data \\
          --trials 30 --epochs 8
      python -m training tune --recipe fernet --data ../shared/data \\
          --storage postgresql://fer@db/optuna --study fernet-1
      python -m training tune --recipe drawn --trials 4 --epochs 1
    """
    from optuna.trial import TrialState

    from training.tune import Search, tune

    folder = folder or Path("runs") / f"tune-{Path(name).stem.replace(':', '-')}"
    search = Search(
        recipe=name,
        folder=folder,
        storage=storage or f"sqlite:///{folder / 'study.db'}",
        study=study or Path(name).stem,
        trials=trials,
        data=data,
        changes=changes,
        epochs=epochs,
        limit=limit or 0,
        progress=not output.as_json,
    )
    found = tune(search)
    ended = found.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    pruned = sum(trial.state == TrialState.PRUNED for trial in ended)
    output.text(f"{len(ended)} trials, {pruned} of them ended early: {folder / 'trials.csv'}")
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    output.add(trials=len(ended), pruned=pruned, folder=str(folder))
    if complete:
        output.text(f"best: trial {found.best_trial.number}, accuracy {found.best_value:.4f}")
        for setting, value in found.best_params.items():
            output.text(f"  {setting} = {value}")
        output.add(best={"trial": found.best_trial.number, "accuracy": found.best_value, "params": found.best_params})
        output.next(f"python -m training fit --recipe {folder / 'best.yaml'} --data FOLDER")
