"""This module writes `report.html`, one file that holds the whole report, without scripts and without requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from training.report import mistakes, text
from training.report.statements import statements

if TYPE_CHECKING:
    from training.data.faces import Faces
    from training.measure.evaluation import Evaluation

TEMPLATE = Path(__file__).with_name("report.html.jinja")

_PICTURES = {
    "history": ("Training", "Loss, scores on the validation rows and learning rate by epoch."),
    "confusion": ("Confusion matrix", "Each row is a label; its cells say what the net answered."),
    "reliability": ("Reliability", "Hatched orange: the net was surer than it was right; dotted green: the reverse."),
    "mistakes": (
        "The most confident mistakes",
        "Look at these first: some are the net's, some are the labels'.",
    ),
}


@dataclass(frozen=True)
class Beside:
    """Hold what lies beside a checkpoint: the text of its recipe, and names and values of its environment."""

    recipe: str | None
    environment: list[tuple[str, str]]


def beside(run: Path) -> Beside:
    """Read `recipe.yaml` and `environment.json` of a run, as far as they exist.

    Raises:
        InvalidInputError: one of them cannot be read.
    """
    return Beside(_read(run / "recipe.yaml"), _environment(run / "environment.json"))


def render(
    contract: Contract,
    evaluation: Evaluation,
    faces: Faces,
    *,
    pictures: Mapping[str, Path],
    beside: Beside,
    seen: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> str:
    """Return the page as HTML.

    Args:
        contract: contract of the checkpoint.
        evaluation: what was measured.
        faces: the labelled rows.
        pictures: name → path of a PNG, to be inlined.
        beside: the run's recipe and environment.
        seen: the ledger of looks at PrivateTest.
        notes: further sentences for the page.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["share"] = text.share
    training = contract.training
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        name=training.recipe if training else contract.architecture.name,
        evaluation=evaluation,
        statements=[*statements(contract, evaluation, seen), *notes],
        pictures=[
            {"name": name, "heading": _PICTURES[name][0], "says": _PICTURES[name][1], "data": _inlined(path)}
            for name, path in pictures.items()
        ],
        mistakes=mistakes.surest(evaluation, faces),
        provenance=_provenance(contract),
        recipe=beside.recipe,
        environment=beside.environment,
    )


def _provenance(contract: Contract) -> list[tuple[str, str]]:
    training, spec = contract.training, contract.picture
    size = "free size" if spec.height is None else f"{spec.width} × {spec.height}"
    arguments = ", ".join(f"{name} = {value}" for name, value in contract.architecture.arguments.items())
    name = contract.architecture.name
    rows = [("architecture", f"{name} ({arguments})" if arguments else name)]
    if training:
        rows += [
            ("recipe", training.recipe),
            ("data", training.data),
            ("protocol", training.protocol),
            ("seed", str(training.seed)),
            ("epochs", str(training.epochs)),
            ("note", training.note),
        ]
    rows += [
        ("labels", ", ".join(contract.labels)),
        ("input", f"{size}, {spec.color}, {spec.range[0]:g}–{spec.range[1]:g}"),
        ("weights", f"{contract.weights_dtype}, SHA-256 {contract.weights_sha256}"),
        ("licence", contract.license),
        ("tools", ", ".join(f"{name} {version}" for name, version in contract.tools.items())),
    ]
    rows += [
        (f"{one.name} in the contract", f"{one.value:.4f} ({one.split}, n = {one.samples:,}: {one.protocol})")
        for one in contract.metrics
    ]
    return [(name, value) for name, value in rows if value]


def _environment(path: Path) -> list[tuple[str, str]]:
    content = _read(path)
    if content is None:
        return []
    try:
        values = json.loads(content)
    except ValueError as error:
        raise InvalidInputError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(f"{path} is not a JSON object")
    return [(str(name), _said(value)) for name, value in values.items()]


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_said(inner) for inner in value)
    return str(value)


def _read(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error


def _inlined(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
