"""This module tells whether a model classifies aligned faces, which a predictor and the page need."""

from __future__ import annotations

from fer_export.contract.contract import Contract
from fer_export.errors import UsageError

#: The output with one probability for each label.
PROBABILITIES = "probabilities"


def check_face_classifier(contract: Contract, who: str) -> None:
    """Refuse a model that cannot classify aligned faces.

    Args:
        contract: the model's contract.
        who: what needs such a model, for the error: "a predictor", "the page".

    Raises:
        UsageError: it has several inputs, no picture, no rule for cropping, no fixed size or no labels.
    """
    name = contract.architecture.name
    if len(contract.inputs) > 1:
        names = ", ".join(spec.name for spec in contract.inputs)
        raise UsageError(f"{name} takes several inputs ({names}), and {who} has one picture of a face")
    spec = contract.inputs[0]
    if spec.kind != "picture":
        raise UsageError(f"{name} takes {spec.name}, which is no picture of a face")
    if contract.crop is None or spec.free:
        raise UsageError(
            f"the contract of {name} says nothing about cropping faces",
            hint="export it with --crop face and a fixed --input size",
        )
    if not contract.labels or PROBABILITIES not in {output.name for output in contract.outputs}:
        raise UsageError(f"{name} is no classifier: its contract has no labels with probabilities")
