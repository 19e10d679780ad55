"""This module holds the results of both routes on one model, and the faults that the direct writer must not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from fer_export.diagnose.bench.convert_process import Cost

#: Smaller differences are rounding, whatever the reference's own error.
NOISE = 1e-6
#: The costs that the routes are compared by.
RATIOS: dict[str, Callable[[Cost], float]] = {
    "time": lambda cost: cost.seconds,
    "time_without_imports": lambda cost: cost.seconds - cost.importing,
    "cpu": lambda cost: cost.cpu,
    "memory": lambda cost: cost.peak,
}


@dataclass
class Side:
    """Hold the results of one route on one model.

    Attributes:
        costs: the cost of each turn.
        nodes: the number of nodes in `model.json`, without Const and Placeholder.
        bytes: the size of all files.
        difference: the largest difference from onnxruntime, in TF.js on wasm, on any output of any picture.
        reason: why there is no model, or why it cannot be run.
    """

    costs: list[Cost] = field(default_factory=list)
    nodes: int | None = None
    bytes: int | None = None
    difference: float | None = None
    reason: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the results for JSON."""
        return {**vars(self), "costs": [cost.record() for cost in self.costs]}


@dataclass
class Compared:
    """Hold the results of both routes on one model.

    `rounding` is how far onnxruntime's outputs lie from those in float64. A route without any error would differ
    from onnxruntime by that much, and one with the same rounding not at all, so smaller differences do not count.
    """

    name: str
    direct: Side = field(default_factory=Side)
    official: Side = field(default_factory=Side)
    rounding: float = 0.0

    @property
    def sides(self) -> dict[str, Side]:
        """Return the results by route, in the order of turns."""
        return {"direct": self.direct, "official": self.official}

    def ratios(self, what: Callable[[Cost], float]) -> list[float]:
        """Return the ratios official / direct of a cost, turn by turn; none where one of them failed."""
        return [what(b) / what(a) for a, b in zip(self.direct.costs, self.official.costs, strict=False)]

    @property
    def excess(self) -> float:
        """Return by how much the direct writer's difference is larger; it is negative where it is smaller."""
        if self.direct.difference is None or self.official.difference is None:
            return 0.0
        return self.direct.difference - self.official.difference

    @property
    def beyond_rounding(self) -> bool:
        """Return whether the excess is more than the reference's own rounding explains."""
        return self.excess > max(NOISE, self.rounding)

    @property
    def faults(self) -> list[str]:
        """Return what the direct writer did that it never must; being slow is not among it."""
        direct, official = self.direct, self.official
        found = [f"failed: {direct.reason}"] if direct.reason else []
        if direct.nodes is not None and official.nodes is not None and direct.nodes > official.nodes:
            found.append(f"has {direct.nodes} nodes, and {official.nodes} are enough")
        if self.beyond_rounding:
            found.append(f"differs by {direct.difference:.1e}, and {official.difference:.1e} is possible")
        return [f"{self.name}: the direct writer {fault}" for fault in found]

    def record(self) -> dict[str, Any]:
        """Return the results for JSON."""
        ratios = {key: self.ratios(what) for key, what in RATIOS.items()}
        return {
            "model": self.name,
            **{route: side.record() for route, side in self.sides.items()},
            "rounding": self.rounding,
            "ratios": {
                name: {"median": median(each), "low": min(each), "high": max(each), "turns": each}
                for name, each in ratios.items()
                if each
            },
            "faults": self.faults,
        }


def summary(found: Sequence[Compared]) -> dict[str, Any]:
    """Return, over all models that both routes made, each ratio's median and range, and count the rest."""
    both = [one for one in found if one.direct.difference is not None and one.official.difference is not None]
    nodes = [(one.direct.nodes or 0) - (one.official.nodes or 0) for one in both]
    timed = [one.record()["ratios"] for one in both]
    ratios = {key: [each[key]["median"] for each in timed] for key in RATIOS}
    return {
        "models": len(found),
        "failed": {
            route: sum(one.sides[route].reason is not None for one in found) for route in ("direct", "official")
        },
        "compared": len(both),
        "ratios": {
            key: {"median": median(each), "low": min(each), "high": max(each)} for key, each in ratios.items() if each
        },
        "nodes": {
            "fewer": sum(each < 0 for each in nodes),
            "same": sum(each == 0 for each in nodes),
            "more": sum(each > 0 for each in nodes),
        },
        "difference": {
            "larger": sum(one.excess > 0 for one in both),
            "beyond": sum(one.beyond_rounding for one in both),
            "excess": max((one.excess for one in both), default=0.0),
        },
    }
