"""This module measures what a model card says, and puts it into its template."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from fer_export.contract import Contract
from fer_export.formats.checkpoint import Checkpoint
from training.data import splits
from training.data.faces import PUBLIC, TRAINING, Faces
from training.measure import deployment, robustness
from training.measure.evaluation import Evaluation, evaluate
from training.report.text import share

TEMPLATE = Path(__file__).with_name("card.md.jinja")


@dataclass(frozen=True)
class Shipped:
    """Hold one model and all that is measured of it on PublicTest.

    Attributes:
        name: name of its file, without the ending.
        size: size of its weights as float16, in bytes.
        whole: its metrics on all rows.
        without_copies: its metrics without the rows whose picture is in Training too.
        robustness, deployment: results of `measure_robustness` and `measure_deployment`.
        seeds: contracts of the same recipe with other seeds, the model's own among them.
    """

    name: str
    size: int
    contract: Contract
    whole: Evaluation
    without_copies: Evaluation
    robustness: robustness.Robustness
    deployment: deployment.Deployment
    seeds: tuple[Contract, ...]

    @classmethod
    def measured(cls, name: str, checkpoint: Checkpoint, every: Faces, seeds: Sequence[Contract] = ()) -> Shipped:
        """Measure a checkpoint.

        Args:
            name: name of its file.
            checkpoint: a checkpoint with the labels of `every`.
            every: all rows of its data set.
            seeds: as in the attributes.

        Raises:
            InvalidInputError: the checkpoint cannot be measured on these rows.
        """
        public = every.of(PUBLIC)
        kept = splits.public_without_copies(every.of(TRAINING), public)
        return cls(
            name=name,
            size=2 * sum(tensor.numel() for tensor in checkpoint.state.values() if tensor.is_floating_point()),
            contract=checkpoint.contract,
            whole=evaluate(checkpoint, public),
            without_copies=evaluate(checkpoint, kept),
            robustness=robustness.measure_robustness(checkpoint, public),
            deployment=deployment.measure_deployment(checkpoint, public),
            seeds=tuple(seeds),
        )

    def spread(self, metric: str) -> tuple[float, float] | None:
        """Return mean and standard deviation of a metric over the seeds; None with fewer than two."""
        values = [one.value for contract in self.seeds for one in contract.metrics if one.name == metric]
        return (statistics.mean(values), statistics.stdev(values)) if len(values) > 1 else None


def render(models: Sequence[Shipped], *, macs: int, parameters: int, command: str) -> str:
    """Return the card as Markdown.

    Args:
        models: the models, the default one first.
        macs: multiply-accumulates for one picture.
        parameters: number of parameters of one model.
        command: the command that makes this card.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["share"] = share
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        models=models, macs=macs, parameters=parameters, command=command
    )
