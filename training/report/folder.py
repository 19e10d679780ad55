"""The files of a report."""

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

    `mistakes.png`, and so the page, shows pictures of the data set: they keep their own terms.

    Args:
        folder: where to; made if need be. Files of an earlier report are replaced one by one.
        checkpoint: what was evaluated.
        evaluation: of `training.measure.evaluation.evaluate`.
        faces: what it was evaluated on.
        history: a metrics.csv.
        run: where the checkpoint lies, with `recipe.yaml`, `environment.json` and the ledger of looks;
            `folder` if not given.
        notes: sentences for the page.

    Returns:
        report.html.

    Raises:
        InvalidInputError: a damaged metrics.csv, environment.json or ledger, or a place that cannot be written.
    """
    rows = faces.labelled()
    assert len(rows) == evaluation.samples, "the faces are not those of the evaluation"
    run = run or folder
    # All that may not hold is read before anything is replaced.
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
    """A title for the history, and on which rows it was validated."""
    training, checked = contract.training, contract.metrics[:1]
    about = [training.data] if training else []
    about += [f"validation: {one.split}, n = {one.samples:,}; labels: {one.protocol}" for one in checked]
    return f"Training of {training.recipe if training else contract.architecture.name}", "; ".join(about)


def _put(path: Path, content: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(content, "utf-8")
