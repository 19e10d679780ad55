"""This module writes the files of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.contract import Contract
from fer_export.files import replacing
from fer_export.formats.checkpoint import Checkpoint
from training.measure import test_set_ledger
from training.report import confusion, html, mistakes, reliability, text
from training.report import history as history_

if TYPE_CHECKING:
    from training.data.faces import Faces
    from training.measure.evaluation import Evaluation


def write(
    folder: Path,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    faces: Faces,
    *,
    history: Path | None = None,
    run: Path | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the report of an evaluation: pictures, tables, and report.html that holds them all.

    `mistakes.png`, and so the page, shows pictures of the data set, so the terms of the data set apply to them.

    Args:
        folder: folder to write into; made if need be. Files of an earlier report are replaced one by one.
        checkpoint: the checkpoint that was evaluated.
        evaluation: result of `training.measure.evaluation.evaluate`.
        faces: the rows it was evaluated on.
        history: path of a metrics.csv.
        run: folder of the checkpoint, with `recipe.yaml`, `environment.json` and the ledger of looks;
            `folder` if not given.
        notes: sentences for the page.

    Returns:
        The path of report.html.

    Raises:
        InvalidInputError: metrics.csv, environment.json or the ledger is damaged, or the folder cannot be written.
    """
    rows = faces.labelled()
    assert len(rows) == evaluation.samples, "the faces are not those of the evaluation"
    run = run or folder
    # Files that may be damaged are read before anything is replaced.
    seen, beside = test_set_ledger.past_looks(run), html.beside(run)
    pictures: dict[str, Path] = {}
    if history:
        pictures["history"] = folder / "history.png"
        history_.draw(history, pictures["history"], *_of_training(checkpoint.contract))
    for name in ("confusion", "reliability", "mistakes"):
        pictures[name] = folder / f"{name}.png"
    confusion.draw(evaluation, pictures["confusion"])
    reliability.draw(evaluation, pictures["reliability"])
    mistakes.draw(evaluation, rows, pictures["mistakes"])
    table = {"weights_sha256": checkpoint.contract.weights_sha256, **text.record(evaluation)}
    _put(folder / "classification_report.txt", text.as_text(evaluation) + "\n")
    _put(folder / "classification_report.json", json.dumps(table, indent=1) + "\n")
    page = folder / "report.html"
    _put(
        page,
        html.render(checkpoint.contract, evaluation, rows, pictures=pictures, beside=beside, seen=seen, notes=notes),
    )
    return page


def _of_training(contract: Contract) -> tuple[str, str]:
    """Return a title for the history, and a line that says which rows validated it."""
    training, checked = contract.training, contract.metrics[:1]
    about = [training.data] if training else []
    about += [f"validation: {one.split}, n = {one.samples:,}; labels: {one.protocol}" for one in checked]
    return f"Training of {training.recipe if training else contract.architecture.name}", "; ".join(about)


def _put(path: Path, content: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(content, "utf-8")
