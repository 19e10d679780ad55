"""This module times a model beside another one in every runtime that is there, and the page if asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_export.diagnose.bench import RUNTIMES, page
from fer_export.diagnose.bench.machine import machine
from fer_export.diagnose.bench.nets import YARDSTICK, Net, reference
from fer_export.diagnose.bench.time_nets import TimedNets, missing, time_nets
from fer_export.diagnose.bench.timing import Timing
from fer_export.errors import UsageError
from fer_export.formats.model import Source, as_model
from fer_export.models import cost as costs
from fer_export.runtimes.tfjs import Browser


@dataclass(frozen=True)
class Bench:
    """Hold the times of a model and of its reference.

    Attributes:
        machine: processor, cores, load before the first call, and versions.
        sides: `model` and, where there is one, `reference`: name, path, cost, and the bytes of its TF.js weights.
        rounds: the number of rounds for each runtime and batch size.
        timings: one for each runtime and batch size.
        notes: what was left out, and what makes the times doubtful.
        page: what `page.time_page` returned; None where it was not asked for.
    """

    machine: dict[str, Any]
    sides: dict[str, dict[str, Any]]
    rounds: int
    timings: tuple[Timing, ...]
    notes: dict[str, str]
    page: dict[str, Any] | None

    def record(self) -> dict[str, Any]:
        """Return the results for JSON."""
        told = {
            "machine": self.machine,
            "nets": self.sides,
            "rounds": self.rounds,
            "timings": [timing.record() for timing in self.timings],
            "notes": self.notes,
        }
        return told if self.page is None else {**told, "page": self.page}


def bench(
    model: Source = "ferplus",
    *,
    against: str = YARDSTICK,
    runtimes: Sequence[str] | None = None,
    backends: Sequence[str] = ("wasm",),
    batches: Sequence[int] = (),
    rounds: int = 10,
    index: Path | None = None,
    started: Callable[[str], object] = lambda step: None,
) -> Bench:
    """Time a model beside another one, in turn, on one thread of each runtime.

    Args:
        model: a checkpoint, as a path, a packaged model's name, or what `load` has returned.
        against: the net beside it: `plain_cnn`, the path of a checkpoint, or `none`.
        runtimes: names from `RUNTIMES`; None takes all that are there.
        backends: the backends of TF.js.
        batches: numbers of pictures for each call, beside 1.
        rounds: the number of rounds, each of 20 calls of each net.
        index: the `index.html` of a built page to time as well.
        started: called with a line about each step before it.

    Raises:
        UsageError: the model is no checkpoint.
        InvalidInputError, ContractError: the model, the reference or the page cannot be read.
        MissingDependencyError: a runtime that was asked for is missing.
        ParityError: an artefact that was made for a runtime does not compute what torch does.
    """
    computer = machine()
    # The page comes first, so that a missing one is reported before minutes of timing.
    seen = _page(index, started) if index is not None else None
    found = as_model(model)
    if found.checkpoint is None:
        raise UsageError(f"{found.path} is no checkpoint, and a benchmark makes its artefacts from one")
    other = reference(against)
    nets = [Net(found.contract.architecture.name, found.checkpoint), *([other] if other else [])]
    notes = _busy(computer)
    with Browser() as browser:
        used = list(dict.fromkeys(runtimes or ())) or _present(browser, notes)
        measured = time_nets(
            nets, used, browser=browser, backends=list(dict.fromkeys(backends)), batches=sorted({1, *batches}),
            rounds=rounds, started=started,
        )  # fmt: skip
        if "tfjs" in used:
            computer["tfjs"] = browser.tfjs_version
            if "webgl" in backends:
                notes["webgl"] = _webgl(browser.renderer)
    sides = _sides(nets, measured, (str(found.path), against))
    return Bench(computer, sides, rounds, tuple(measured.timings), notes, seen)


def _busy(computer: dict[str, Any]) -> dict[str, str]:
    load, cores = computer["load"], computer["cores"] or 1
    if load is None or load < cores / 2:
        return {}
    # With a training running beside it, the measured ratio of calls of 1 and 2 ms went from 2.3 to 12.
    return {"load": f"{load} on {cores} cores before the first call: the longer net is interrupted more, run it again"}


def _present(browser: Browser, notes: dict[str, str]) -> list[str]:
    reasons = {name: missing(name, browser) for name in RUNTIMES}
    notes.update({name: f"left out: {reason.reason}" for name, reason in reasons.items() if reason})
    return [name for name, reason in reasons.items() if not reason]


def _webgl(renderer: str) -> str:
    software = any(name in renderer.lower() for name in ("swiftshader", "llvmpipe", "basic render"))
    where = renderer or "an unknown renderer"
    return f"emulated by software here ({where}): its times say nothing" if software else f"drawn by {where}"


def _page(index: Path, started: Callable[[str], object]) -> dict[str, Any]:
    started("watching the page")
    return page.time_page(index)


def _sides(nets: Sequence[Net], measured: TimedNets, paths: tuple[str, str]) -> dict[str, dict[str, Any]]:
    sides = {}
    for side, net, path, files in zip(("model", "reference"), nets, paths, measured.weights, strict=False):
        cost = costs.of(net.checkpoint.contract)
        figures = {"parameters": cost.parameters, "macs": cost.macs} if cost else {}
        sides[side] = {"name": net.name, "path": path, "cost": str(cost or ""), **figures, "weights_bytes": files}
    return sides
