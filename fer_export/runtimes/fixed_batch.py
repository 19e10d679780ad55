"""A runtime of a fixed batch that takes any number of pictures all the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_export.runtimes import Answers, Pixels, Runtime


@dataclass(frozen=True)
class InBatches:
    """A runtime of a fixed batch, for any number of pictures; the last batch is filled with the first ones again."""

    runtime: Runtime
    size: int

    @property
    def name(self) -> str:
        """The runtime's own."""
        return self.runtime.name

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last."""
        whole = -(-len(pixels) // self.size) * self.size
        filled = pixels[np.arange(whole) % len(pixels)]
        answers = [self.runtime(filled[start : start + self.size]) for start in range(0, whole, self.size)]
        return {name: np.concatenate([each[name] for each in answers])[: len(pixels)] for name in answers[0]}


def in_batches(runtime: Runtime, size: int | None) -> Runtime:
    """The runtime itself where its batch is free."""
    return runtime if size is None else InBatches(runtime, size)
