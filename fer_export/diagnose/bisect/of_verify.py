"""This module bisects for `fer-export verify`: after the table, each artefact that is out of tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from torch import nn

from fer_export.diagnose.bisect.explain import explain
from fer_export.diagnose.bisect.finding import Finding
from fer_export.errors import FerExportError
from fer_export.formats.artefact import kind
from fer_export.parity import Figures
from fer_export.parity.comparing import Turn
from fer_export.parity.samples import Batch
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker

#: An artefact, and what parity measured of all its outputs in one runtime.
Measured = tuple[Path, Sequence[Figures]]


def by_turn(turns: Iterable[Turn], figures: Sequence[Figures]) -> list[Measured]:
    """Group the figures of `fer_export.parity.comparing.compare` by artefact and runtime."""
    paths = {turn.label: turn.path for turn in turns}
    return [(paths[group[0].runtime], group) for group in _by_runtime(figures)]


def findings(
    reference: Path,
    measured: Iterable[Measured],
    batches: Sequence[Batch],
    *,
    onnx_path: Path | None = None,
    module: nn.Module | None = None,
    started: Callable[[str], object] = lambda step: None,
) -> list[Finding]:
    """Find where each artefact goes wrong, in the first of its runtimes in which it is out of tolerance.

    An ONNX file whose reference is torch comes first, and if it is wrong, what was made from it is not
    bisected. A bisection that fails is a finding as well, since parity's result stands all the same.

    Args:
        reference, batches, onnx_path, module, started: the same as for `explain`.
    """
    wrong = [(path, group) for path, group in measured if not all(figure.ok for figure in group)]
    hops = [(path, group) for path, group in wrong if path == onnx_path and group[0].runtime == "onnxruntime"]
    once: dict[Path, Sequence[Figures]] = {}
    for path, group in hops if hops and kind(reference) == "torch" else wrong:
        once.setdefault(path, group)
    found = []
    with Worker("tf") as worker, Browser() as browser:
        for path, group in once.items():
            try:
                one = explain(
                    reference, path, batches, group,
                    worker=worker, browser=browser, onnx_path=onnx_path, module=module, started=started,
                )  # fmt: skip
            except FerExportError as error:
                note = f"the bisection itself failed: {error.reason}"
                one = Finding(group[0].runtime, group[0].reference, group[0].worst, "broken off", notes=(note,))
            found.append(one)
    return found


def _by_runtime(figures: Sequence[Figures]) -> Iterator[list[Figures]]:
    """Yield the figures of all outputs of each runtime together."""
    group: list[Figures] = []
    for figure in figures:
        if group and (figure.runtime != group[0].runtime or figure.output in {one.output for one in group}):
            yield group
            group = []
        group.append(figure)
    if group:
        yield group
