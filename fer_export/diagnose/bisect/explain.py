"""From two files that differ to what the difference begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from fer_export.contract import Contract
from fer_export.diagnose.bisect import onnx_values
from fer_export.diagnose.bisect import reference as references
from fer_export.diagnose.bisect.finding import Finding
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.reconvert import Road
from fer_export.diagnose.bisect.reference import Origin
from fer_export.diagnose.bisect.scan import Limits
from fer_export.diagnose.bisect.suspect import Candidate
from fer_export.formats import checkpoint
from fer_export.formats.artefact import kind, read_contract
from fer_export.formats.onnx import load_onnx, onnx_batch
from fer_export.parity import Figures
from fer_export.parity.samples import Batch
from fer_export.runtimes import Pixels, onnxruntime_web
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime
from fer_export.tfenv.worker import Worker


def explain(
    reference: Path,
    artefact: Path,
    batches: Sequence[Batch],
    figures: Sequence[Figures],
    *,
    worker: Worker,
    browser: Browser,
    onnx_path: Path | None = None,
    module: nn.Module | None = None,
    started: Callable[[str], object] = lambda step: None,
) -> Finding:
    """Find the first ONNX operator whose output is out of tolerance.

    Args:
        reference: a checkpoint, or an artefact of any kind, that the other one was held against.
        artefact: which was out of tolerance.
        batches: the pictures that showed it.
        figures: of all outputs of this artefact in one runtime, as parity measured them.
        worker: of the environment `tf`; it starts where an artefact needs it.
        browser: for what the figures' runtimes run in one.
        onnx_path: an ONNX file of the same model, to name operators by. Needed where neither file is a
            checkpoint or an ONNX file; it is passed over where it is not there or of other weights.
        module: what the checkpoint holds, where that takes code outside this project.
        started: told each step that takes its time.

    Raises:
        InvalidInputError, ContractError, UnsupportedOperatorError: a file cannot be read, or not be made again.
        MissingDependencyError: a runtime is not there.
        ParityError: a runtime cannot run a model.
    """
    worst = max(figures, key=lambda figure: figure.max_abs / figure.scale)
    limits = Limits(worst.tolerance, {figure.output: figure.limit for figure in figures})
    if all(figure.max_abs <= figure.limit for figure in figures):
        note = "all values are within the tolerance: only the top classes differ, where two are all but equal"
        return Finding(worst.runtime, worst.reference, worst.worst, "nothing was run", notes=(note,))
    run = _Run(batches, worst, limits, worker, browser, started)
    contract = read_contract(artefact)
    named_by = _same_model(onnx_path, contract)
    if kind(reference) == "torch":
        module = checkpoint.load(reference).module() if module is None else module
        return run.from_torch(module, artefact, contract, named_by)
    if kind(reference) == "onnx" and not run.in_browser(worst.reference):
        return run.against(references.of_onnx(reference, limits), artefact, worst.runtime)
    named_by = next((path for path in (artefact, reference) if kind(path) == "onnx"), named_by)
    if named_by is None:
        note = "no ONNX file of these weights is there to name operators by: fer-export onnx, and --onnx FILE"
        return Finding(artefact.name, reference.name, worst.worst, "nothing was run", notes=(note,))
    made = references.of_onnx(named_by, limits)
    found = run.against(made, artefact, worst.runtime)
    if found.value is None:
        return _noted(run.against(made, reference, worst.reference), f"{worst.runtime} holds against {named_by.name}")
    return found


@dataclass(frozen=True)
class _Run:
    """One call's arguments."""

    batches: Sequence[Batch]
    worst: Figures
    limits: Limits
    worker: Worker
    browser: Browser
    started: Callable[[str], object]

    def from_torch(self, module: nn.Module, artefact: Path, contract: Contract, onnx_path: Path | None) -> Finding:
        """Torch is right: is the ONNX file, and what was made of it?"""
        is_onnx = kind(artefact) == "onnx"
        named_by = artefact if is_onnx else onnx_path
        model = load_onnx(named_by)[0] if named_by else None
        if named_by and self._off(module, contract, named_by):
            self.started("exporting the model again")
            made = references.of_torch(module, contract, like=model, limits=self.limits)
            found = self.against(made, named_by, "onnxruntime")
            note = f"{named_by.name} is wrong where {artefact.name} is: torch -> ONNX is the first hop that goes wrong"
            return found if is_onnx else _noted(found, note)
        if contract.converter == "onnx-tf":
            batch = onnx_batch(model) if model else None
            made = references.of_opset15(module, contract, batch, self.limits)
        elif named_by:
            made = references.of_onnx(named_by, self.limits)
        else:
            self.started("exporting the model again")
            made = references.of_torch(module, contract, like=None, limits=self.limits)
        return self.against(made, artefact, self.worst.runtime)

    def against(self, made: Origin, artefact: Path, runtime: str) -> Finding:
        """An artefact against what its values should be: on the worst picture, or on all of its batch."""
        size = read_contract(artefact).fixed_batch or onnx_batch(made.model)
        label = runtime if runtime.endswith(artefact.name) else f"{runtime} {artefact.name}"
        name, picture = "", self.worst.worst
        for picture, pixels in self._pictures(size):
            self.started(f"bisecting on picture {picture}")
            reference = made.reference(pixels)
            name = reference.name
            candidate = Candidate(reference, pixels, label=label, picture=picture, started=self.started)
            finding = self._one(candidate, artefact, runtime)
            if finding is not None:
                return finding
        note = (
            "everything holds when the values on the way are read, too: what is fused or delegated otherwise is wrong"
        )
        return Finding(label, name, picture, "values on the way read as outputs", notes=(note,))

    def in_browser(self, runtime: str) -> bool:
        """Whether that is an ONNX file in onnxruntime-web."""
        return runtime.partition(" ")[0] == onnxruntime_web.NAME

    def _one(self, candidate: Candidate, artefact: Path, runtime: str) -> Finding | None:
        if kind(artefact) == "onnx":
            return candidate.of_onnx(load_onnx(artefact)[0], self.browser if self.in_browser(runtime) else None)
        contract = read_contract(artefact)
        backend = runtime.partition(" ")[0].removeprefix("tfjs-")
        path = artefact.parent if artefact.name == "model.json" else artefact
        with Worker("tf") as clean, Worker("onnx-tf") as older:
            road = Road(kind(artefact), contract, self.worker, clean, older, self.browser, backend)
            return candidate.of_kept_names(road, path) if road.keeps_names else candidate.of_other_road(road, path)

    def _pictures(self, size: int | None) -> Iterator[tuple[str, Pixels]]:
        """The worst picture, and then the batch that it was in; or as many pictures as a fixed batch has."""
        for batch in self.batches:
            if self.worst.worst in batch.names:
                index = batch.names.index(self.worst.worst)
                count = len(batch.names)
                if size is not None:
                    yield self.worst.worst, batch.pixels[(np.arange(size) + index) % count]
                else:
                    yield self.worst.worst, batch.pixels[index : index + 1]
                    if count > 1:
                        yield f"{self.worst.worst} and the other {count - 1} of its batch", batch.pixels

    def _off(self, module: nn.Module, contract: Contract, path: Path) -> bool:
        """Whether an ONNX file is, in onnxruntime."""
        model, _ = load_onnx(path)
        runtime = TorchRuntime(module, contract)
        for _, pixels in self._pictures(onnx_batch(model)):
            expected = {name: in_onnx(value) for name, value in runtime(pixels).items()}
            if not self.limits.hold(expected, onnx_values.values(model, pixels)):
                return True
        return False


def _same_model(path: Path | None, contract: Contract) -> Path | None:
    """An ONNX file, where it is there and made from the same weights."""
    if path is None or not path.is_file():
        return None
    return path if load_onnx(path)[1].weights_sha256 == contract.weights_sha256 else None


def _noted(finding: Finding, note: str) -> Finding:
    return replace(finding, notes=(note, *finding.notes))
