"""This module times calls in turn and summarises the times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

#: The begin and end of a call, in milliseconds of one clock.
Span = tuple[float, float]


def in_turn(calls: Sequence[Callable[[], object]], turns: int) -> list[list[Span]]:
    """Call first, second, first, second, …, `turns` times each, and return the spans of each."""
    spans: list[list[Span]] = [[] for _ in calls]
    for _ in range(turns):
        for call, own in zip(calls, spans, strict=True):
            start = time.perf_counter()
            call()
            own.append((start * 1000, time.perf_counter() * 1000))
    return spans


@dataclass(frozen=True)
class Timing:
    """Hold the times of one runtime at one batch size.

    Attributes:
        runtime: its name in the parity table.
        batch: the number of pictures for each call.
        rounds: for each round and each net, the spans of its calls.
    """

    runtime: str
    batch: int
    rounds: Sequence[Sequence[Sequence[Span]]]

    def record(self) -> dict[str, Any]:
        """Summarise the times, in milliseconds for each call.

        `model` and, where there is one, `reference` have `median`, `q1` and `q3` over all calls.
        `ratio` is the model's time over the reference's: `rounds` has the ratio of the medians of each round,
        and `median`, `low` and `high` are over the rounds.
        """
        nets = [[_lengths(spans) for spans in net] for net in zip(*self.rounds, strict=True)]
        record: dict[str, Any] = {"runtime": self.runtime, "batch": self.batch}
        for name, net in zip(("model", "reference"), nets, strict=False):
            record[name] = quartiles([length for lengths in net for length in lengths])
        if len(nets) == 2:
            ratios = [median(ours) / median(theirs) for ours, theirs in zip(*nets, strict=True)]
            record["ratio"] = {"median": median(ratios), "low": min(ratios), "high": max(ratios), "rounds": ratios}
        return record


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Return `median`, `q1` and `q3` of two values or more."""
    q1, middle, q3 = quantiles(values, n=4, method="inclusive")
    return {"median": middle, "q1": q1, "q3": q3}


def _lengths(spans: Sequence[Span]) -> list[float]:
    return [end - start for start, end in spans]
