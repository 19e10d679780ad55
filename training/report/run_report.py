"""This module writes the reports that a finished run leaves in its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fer_export.formats import checkpoint as checkpoints
from training.data.sources import Split
from training.measure.evaluation import evaluate
from training.recipe import Recipe
from training.report.folder import write


def write_run_report(recipe: Recipe, folder: Path, split: Split) -> None:
    """Measure a run's best checkpoint on the rows that chose it, and write its report.

    A second set of labels has a checkpoint of its own, and gets its report in the folder of that name.

    Args:
        recipe: recipe of the run.
        folder: folder of the run; `best.safetensors` and `metrics.csv` are read, the report is written beside them.
        split: data of the last stage.

    Raises:
        InvalidInputError: a checkpoint cannot be measured, or a folder cannot be written.
    """
    checked = {folder: replace(split.check, other=None)}
    if split.check.other is not None:
        checked[folder / recipe.second] = split.check.by_other()
    for place, faces in checked.items():
        trained, rows = checkpoints.load_checkpoint(place / "best.safetensors"), faces.labelled()
        measured = evaluate(trained, rows)
        write(place, trained, measured, rows, history=place / "metrics.csv", run=folder, notes=split.notes)
