"""This module derives the contract's labels and outputs from the outputs that a net was measured to have."""

from __future__ import annotations

from collections.abc import Sequence

from fer_export.contract import Output
from fer_export.errors import UsageError
from fer_export.importing.kinds import Kind
from fer_export.importing.probe_outputs import ProbedOutput, kind_of

_OWN = "as the net answers"


def describe(
    measured: Sequence[ProbedOutput], labels: tuple[str, ...], wanted: Kind | None, name: str
) -> tuple[tuple[str, ...], tuple[Output, ...], list[str]]:
    """Return labels, outputs in the order of `Wrapped`, and a note for each assumption.

    At most one output is a classifier's: the first with one number for each label. Without labels it is the only
    output, or the first of rank 2 where `wanted` says that there is a classifier; its labels are then class_0 …

    1. Logits stay, and their softmax comes before them as `probabilities`.
    2. Log-probabilities are used as logits, since their softmax is the probabilities.
    3. Probabilities stay as they are under that name.
    4. Everything else keeps the net's own name.

    Args:
        measured: the outputs, from `probe_outputs.probe`.
        labels: the user's labels; may be empty.
        wanted: what the classifier's numbers are; None judges by the numbers.
        name: the net's name, for errors.

    Raises:
        UsageError: no output has one number for each label.
    """
    described = {answer.name: Output(name=answer.name, shape=answer.shape, meaning=_OWN) for answer in measured}
    main = _classifier(measured, labels, wanted, name)
    if main is None or main.rows is None:
        several = "the outputs are taken as they are (--labels names the classes of the one that classifies)"
        return (), tuple(described.values()), [several] if len(measured) > 1 and wanted is None else []
    found, reason = kind_of(main.rows)
    kind = wanted or found
    which = f"output {main.name}" if len(measured) > 1 else "the output"
    notes = [] if wanted else [f"{which} holds {kind}: {reason} (--output-kind says otherwise)"]
    if kind == "values":
        if labels:
            raise UsageError(
                f"{len(labels)} label(s) for values that are no classes: {reason}",
                hint="leave --labels out, or --output-kind logits",
            )
        return (), tuple(described.values()), notes
    if not labels:
        labels = tuple(f"class_{index}" for index in range(main.rows.shape[1]))
        notes.append(f"the labels are class_0 to {labels[-1]} (--labels names them)")
    shape = (len(labels),)
    if kind == "probabilities":
        described[main.name] = Output(name="probabilities", shape=shape, meaning=f"by label, {_OWN}: {reason}")
        return labels, tuple(described.values()), notes
    said = f"log-probabilities, {_OWN}" if kind == "log-probabilities" else f"before softmax, {_OWN}"
    described[main.name] = Output(name="logits", shape=shape, meaning=f"by label: {said}")
    appended = Output(name="probabilities", shape=shape, meaning="by label: softmax of the logits, appended")
    notes.append("a softmax is appended: output probabilities, beside logits")
    return labels, (appended, *described.values()), notes


def _classifier(
    measured: Sequence[ProbedOutput], labels: Sequence[str], wanted: Kind | None, name: str
) -> ProbedOutput | None:
    rows = [answer for answer in measured if answer.rows is not None]
    if labels:
        fitting = next((answer for answer in rows if answer.shape == (len(labels),)), None)
        if fitting is None:
            shapes = ", ".join(f"{answer.name} {list(answer.shape)}" for answer in measured)
            raise UsageError(
                f"there are {len(labels)} labels, and {name} answers {shapes} for a picture",
                hint=f"--labels with {rows[0].shape[0]} names, or none" if rows else "leave --labels out",
            )
        return fitting
    if wanted == "values" or (wanted is None and len(measured) > 1):
        return None
    return rows[0] if rows else None
