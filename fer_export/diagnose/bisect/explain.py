"""This module explains the difference between two artefacts by the operator at which it begins."""

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
from fer_export.diagnose.bisect.reconvert import Reconversion
from fer_export.diagnose.bisect.reference import ReferenceModel
from fer_export.diagnose.bisect.scan import Limits
from fer_export.diagnose.bisect.suspect import Suspect
from fer_export.formats import checkpoint
from fer_export.formats.artefact import kind, read_contract
from fer_export.formats.onnx import load_onnx, onnx_batch
from fer_export.parity import Figures
from fer_export.parity.samples import Batch
from fer_export.runtimes import Inputs, onnxruntime_web, rows
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
        reference: a checkpoint, or an artefact of any kind, that the other one was compared with.
        artefact: the artefact that was out of tolerance.
        batches: the pictures on which it was.
        figures: the figures of all outputs of this artefact in one runtime, as parity measured them.
        worker: a worker in the environment `tf`; it starts where an artefact needs it.
        browser: the browser for runtimes that need one.
        onnx_path: an ONNX file of the same model, to name operators by. It is needed where neither file is a
            checkpoint or an ONNX file; it is ignored where it is missing or has other weights.
        module: the checkpoint's module, needed where that is code outside this project.
        started: called with a line about each slow step before it.

    Raises:
        InvalidInputError, ContractError, UnsupportedOperatorError: a file cannot be read or made again.
        MissingDependencyError: a runtime is missing.
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
        module = checkpoint.load_checkpoint(reference).module() if module is None else module
        return run.from_torch(module, artefact, contract, named_by)
    if kind(reference) == "onnx" and not run.in_browser(worst.reference):
        return run.against(references.from_onnx(reference, limits), artefact, worst.runtime)
    named_by = next((path for path in (artefact, reference) if kind(path) == "onnx"), named_by)
    if named_by is None:
        note = "no ONNX file of these weights is there to name operators by: fer-export onnx, and --onnx FILE"
        return Finding(artefact.name, reference.name, worst.worst, "nothing was run", notes=(note,))
    made = references.from_onnx(named_by, limits)
    found = run.against(made, artefact, worst.runtime)
    if found.value is None:
        return _noted(run.against(made, reference, worst.reference), f"{worst.runtime} holds against {named_by.name}")
    return found


@dataclass(frozen=True)
class _Run:
    """Hold the arguments of one call."""

    batches: Sequence[Batch]
    worst: Figures
    limits: Limits
    worker: Worker
    browser: Browser
    started: Callable[[str], object]

    def from_torch(self, module: nn.Module, artefact: Path, contract: Contract, onnx_path: Path | None) -> Finding:
        """Find out whether the ONNX file or what was made from it is wrong, with torch as the reference."""
        is_onnx = kind(artefact) == "onnx"
        named_by = artefact if is_onnx else onnx_path
        model = load_onnx(named_by)[0] if named_by else None
        if named_by and self._off(module, contract, named_by):
            self.started("exporting the model again")
            made = references.from_torch(module, contract, like=model, limits=self.limits)
            found = self.against(made, named_by, "onnxruntime")
            note = f"{named_by.name} is wrong where {artefact.name} is: torch -> ONNX is the first hop that goes wrong"
            return found if is_onnx else _noted(found, note)
        if contract.converter == "onnx-tf":
            batch = onnx_batch(model) if model else None
            made = references.from_opset15(module, contract, batch, self.limits)
        elif named_by:
            made = references.from_onnx(named_by, self.limits)
        else:
            self.started("exporting the model again")
            made = references.from_torch(module, contract, like=None, limits=self.limits)
        return self.against(made, artefact, self.worst.runtime)

    def against(self, made: ReferenceModel, artefact: Path, runtime: str) -> Finding:
        """Compare an artefact with its reference values, on the worst picture and then on all of its batch."""
        size = read_contract(artefact).fixed_batch or onnx_batch(made.model)
        label = runtime if runtime.endswith(artefact.name) else f"{runtime} {artefact.name}"
        name, picture = "", self.worst.worst
        for picture, inputs in self._pictures(size):
            self.started(f"bisecting on picture {picture}")
            reference = made.compute(inputs)
            name = reference.name
            suspect = Suspect(reference, inputs, label=label, picture=picture, started=self.started)
            finding = self._one(suspect, artefact, runtime)
            if finding is not None:
                return finding
        note = (
            "everything holds when the values on the way are read, too: what is fused or delegated otherwise is wrong"
        )
        return Finding(label, name, picture, "values on the way read as outputs", notes=(note,))

    def in_browser(self, runtime: str) -> bool:
        """Return whether the runtime is onnxruntime-web."""
        return runtime.partition(" ")[0] == onnxruntime_web.NAME

    def _one(self, suspect: Suspect, artefact: Path, runtime: str) -> Finding | None:
        if kind(artefact) == "onnx":
            return suspect.of_onnx(load_onnx(artefact)[0], self.browser if self.in_browser(runtime) else None)
        contract = read_contract(artefact)
        backend = runtime.partition(" ")[0].removeprefix("tfjs-")
        path = artefact.parent if artefact.name == "model.json" else artefact
        with Worker("tf") as clean, Worker("onnx-tf") as older:
            reconversion = Reconversion(kind(artefact), contract, self.worker, clean, older, self.browser, backend)
            return (
                suspect.of_kept_names(reconversion, path)
                if reconversion.route.keeps_names
                else suspect.of_lost_names(reconversion, path)
            )

    def _pictures(self, size: int | None) -> Iterator[tuple[str, Inputs]]:
        """Yield the worst picture, and then its batch; with a fixed batch, yield that many pictures once."""
        for batch in self.batches:
            if self.worst.worst in batch.names:
                index = batch.names.index(self.worst.worst)
                count = len(batch.names)
                if size is not None:
                    yield self.worst.worst, rows(batch.inputs, (np.arange(size) + index) % count)
                else:
                    yield self.worst.worst, rows(batch.inputs, slice(index, index + 1))
                    if count > 1:
                        yield f"{self.worst.worst} and the other {count - 1} of its batch", batch.inputs

    def _off(self, module: nn.Module, contract: Contract, path: Path) -> bool:
        """Return whether onnxruntime computes an output of an ONNX file out of tolerance."""
        model, _ = load_onnx(path)
        runtime = TorchRuntime(module, contract)
        for _, inputs in self._pictures(onnx_batch(model)):
            expected = {name: in_onnx(value) for name, value in runtime(inputs).items()}
            if not self.limits.hold(expected, onnx_values.values(model, inputs)):
                return True
        return False


def _same_model(path: Path | None, contract: Contract) -> Path | None:
    """Return the path of an ONNX file if it exists and was made from the same weights."""
    if path is None or not path.is_file():
        return None
    return path if load_onnx(path)[1].weights_sha256 == contract.weights_sha256 else None


def _noted(finding: Finding, note: str) -> Finding:
    return replace(finding, notes=(note, *finding.notes))
