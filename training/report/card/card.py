"""Measure what a model card says, and put it into its template."""

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
    """One model and all that is measured of it on PublicTest.

    Attributes:
        name: of its file, without the ending.
        size: of its weights as float16, in bytes.
        whole: its figures.
        without_copies: without the rows whose picture is in Training too.
        robustness, deployment: see there.
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
            name: of its file.
            checkpoint: with the labels of `every`.
            every: all rows of its data set.
            seeds: as above.

        Raises:
            InvalidInputError: rows that the checkpoint cannot be measured on.
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
        """Mean and standard deviation of a metric over the seeds; None with fewer than two."""
        values = [one.value for contract in self.seeds for one in contract.metrics if one.name == metric]
        return (statistics.mean(values), statistics.stdev(values)) if len(values) > 1 else None


def render(models: Sequence[Shipped], *, macs: int, parameters: int, command: str) -> str:
    """The card as Markdown.

    Args:
        models: the default one first.
        macs: multiply-accumulates of one picture.
        parameters: of one model.
        command: that makes this card.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["share"] = share
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        models=models, macs=macs, parameters=parameters, command=command
    )
