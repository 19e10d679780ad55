"""This module lets a runtime with a fixed batch take any number of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_export.runtimes import Inputs, Outputs, Runtime, count, rows


@dataclass(frozen=True)
class InBatches:
    """Wrap a runtime with a fixed batch for any number of rows; the first rows fill up the last batch."""

    runtime: Runtime
    size: int

    @property
    def name(self) -> str:
        """Return the runtime's own name."""
        return self.runtime.name

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name."""
        given = count(inputs)
        starts = np.arange(0, given, self.size)
        answers = [self.runtime(rows(inputs, (start + np.arange(self.size)) % given)) for start in starts]
        return {name: np.concatenate([each[name] for each in answers])[:given] for name in answers[0]}


def in_batches(runtime: Runtime, size: int | None) -> Runtime:
    """Wrap a runtime with a fixed batch; one with a free batch is returned as it is."""
    return runtime if size is None else InBatches(runtime, size)
