"""A runtime of a fixed batch that takes any number of rows all the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_export.runtimes import Inputs, Outputs, Runtime, count, rows


@dataclass(frozen=True)
class InBatches:
    """A runtime of a fixed batch, for any number of rows; the last batch is filled with the first ones again."""

    runtime: Runtime
    size: int

    @property
    def name(self) -> str:
        """The runtime's own."""
        return self.runtime.name

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name."""
        given = count(inputs)
        starts = np.arange(0, given, self.size)
        answers = [self.runtime(rows(inputs, (start + np.arange(self.size)) % given)) for start in starts]
        return {name: np.concatenate([each[name] for each in answers])[:given] for name in answers[0]}


def in_batches(runtime: Runtime, size: int | None) -> Runtime:
    """The runtime itself where its batch is free."""
    return runtime if size is None else InBatches(runtime, size)
