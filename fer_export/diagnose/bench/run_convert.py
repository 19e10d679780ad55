"""This module converts several models by both routes in turn, and sums up what they cost and how far they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fer_export.diagnose.bench import convert, convert_process, convert_sides
from fer_export.diagnose.bench.convert_sides import Compared
from fer_export.diagnose.bench.machine import machine
from fer_export.diagnose.matrix import nets
from fer_export.errors import ParityError
from fer_export.runtimes.tfjs import Browser


@dataclass(frozen=True)
class BenchConvert:
    """Hold the results of both routes on all models.

    Attributes:
        machine: processor, cores, load before the first conversion, and versions.
        turns: conversions of each model by each route.
        models: one for each model.
    """

    machine: dict[str, Any]
    turns: int
    models: tuple[Compared, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Return what `convert_sides.summary` says of all models."""
        return convert_sides.summary(self.models)

    def record(self) -> dict[str, Any]:
        """Return the results for JSON."""
        models = [one.record() for one in self.models]
        return {"machine": self.machine, "turns": self.turns, "models": models, "summary": self.summary}

    def check(self) -> None:
        """Raise a ParityError where the direct writer failed, has more nodes, or differs beyond rounding."""
        faults = [fault for one in self.models for fault in one.faults]
        if faults:
            raise ParityError("; ".join(faults))


def bench_convert(
    models: Sequence[str] = convert.MODELS,
    *,
    turns: int = 3,
    started: Callable[[str], object] = lambda step: None,
    finished: Callable[[Compared, str], object] = lambda compared, size: None,
) -> BenchConvert:
    """Convert ONNX files to TF.js by the direct writer and by onnx2tf with tensorflowjs_converter, in turn.

    Args:
        models: packaged models, checkpoints, architectures or torchvision:NAME with random weights; NAME@SIDE gives
            the size.
        turns: conversions of each model by each route.
        started: called with a line about each step before it.
        finished: called with each model's results, and a description of its size, as soon as they are there.

    Raises:
        InvalidInputError: there is no such model.
        MissingDependencyError: TensorFlow's environment, or the browser, is missing.
    """
    loaded = {name: nets.named(name) for name in models}
    computer = machine()
    found = []
    with Browser() as browser:
        started("importing once what is not to be read from disk when it is timed")
        for route in ("direct", "official"):
            convert_process.warm_up(route)
        for name, one in loaded.items():
            found.append(convert.compare(name, one, turns=turns, browser=browser, started=started))
            finished(found[-1], nets.described(one))
    return BenchConvert(computer, turns, tuple(found))
