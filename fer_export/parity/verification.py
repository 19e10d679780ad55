"""This module implements `verify`: it chooses what to compare, measures it, and judges the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.errors import ContractError, FerExportError, UsageError
from fer_export.formats.artefact import read_contract
from fer_export.formats.model import Model, Source, as_model
from fer_export.formats.packaged import named
from fer_export.formats.places import MODEL_FOLDER, ONNX_FILE
from fer_export.formats.sources import RUNS, find_checkpoint
from fer_export.parity.measuring import Figures, gate
from fer_export.runtimes.registry import names

if TYPE_CHECKING:
    from torch import nn

    from fer_export.contract import Contract
    from fer_export.formats.checkpoint import Checkpoint
    from fer_export.parity.comparing import Reference, Turn
    from fer_export.parity.samples import Batch

#: This word, in place of runtimes' names, stands for every runtime that runs one of the artefacts.
ALL = "all"
#: The default rows of `csv`.
SPLIT = "PublicTest"
_NAME_IT = "name what it was made from: --ckpt FILE (from Python: against=FILE)"


@dataclass(frozen=True)
class Verification:
    """Say what was compared, and how far it lies apart.

    Attributes:
        reference: the path of the reference.
        figures: the figures of each output of each artefact in each runtime.
        refused: why a runtime could not be started or gave no usable numbers, by its name in figures.
        notes: one sentence for each choice that the caller left open.
        turns: the artefacts and runtimes that were run.
        batches: the pictures.
        module: the reference's net, where torch computed it.
        onnx: an ONNX file of the same model, to name operators by.
    """

    reference: Path
    figures: tuple[Figures, ...]
    refused: Mapping[str, FerExportError]
    notes: tuple[str, ...]
    turns: tuple[Turn, ...]
    batches: tuple[Batch, ...]
    module: nn.Module | None
    onnx: Path

    @property
    def samples(self) -> int:
        """Return the number of pictures compared."""
        return sum(len(batch.names) for batch in self.batches)

    @property
    def ok(self) -> bool:
        """Return whether every runtime gave numbers and all of them are within tolerance."""
        return bool(self.figures) and not self.refused and all(figure.ok for figure in self.figures)

    def check(self) -> None:
        """Raise an error if the comparison failed.

        Raises:
            ParityError: a figure is out of tolerance, or a runtime gave no usable numbers.
            MissingDependencyError: a runtime cannot be started.
        """
        if self.figures:
            gate(self.figures, hint="export it again from what it was made from: fer-export onnx --ckpt FILE")
        # A runtime without numbers fails the comparison, however good the others' figures are.
        for error in self.refused.values():
            raise error
        gate(self.figures)


def verify(
    *paths: str | PathLike[str],
    against: Source | None = None,
    runtimes: Sequence[str] = (),
    against_runtime: str | None = None,
    csv: str | PathLike[str] | None = None,
    split: str | None = None,
    limit: int | None = None,
    tolerance: float | None = None,
    onnx: str | PathLike[str] | None = None,
    tfjs: str | PathLike[str] | None = None,
) -> Verification:
    """Compare artefacts with what they were made from on the same pictures, and raise an error where they differ.

    Args:
        paths: artefacts of any kind. With none, the ONNX file and the TF.js folder, if they exist.
        against: the reference: a checkpoint, a packaged model's name, another artefact, or a model that
            `load` has returned. None takes the checkpoint of the same weights, found among the packaged models and
            below `runs/`; without paths and without such a checkpoint, the ONNX file.
        runtimes: names of runtimes, or `all`. With none, onnxruntime, tfjs-wasm, tfjs-webgl, and for other kinds
            the default for the kind.
        against_runtime: the runtime for `against`, where several can run it.
        csv: a FER2013 file (plain or packed), for real faces in addition to the packaged pictures.
        split: the Usage of the rows of `csv` to take; None takes PublicTest.
        limit: the largest number of rows of `csv`.
        tolerance: the largest difference for values up to 1, and the share of larger ones; None takes the contract's.
        onnx, tfjs: the ONNX file and TF.js folder to take without paths; None takes `build/fer.onnx` and `web/model`.

    Returns:
        All figures, which are within tolerance.

    Raises:
        ParityError: a figure is out of tolerance, or a runtime gave no usable numbers.
        MissingDependencyError: a runtime cannot be started.
        UsageError: the arguments do not fit together, or a runtime does not run any of the artefacts.
        ContractError: two artefacts were made from different weights, or the checkpoint of one is not known.
        InvalidInputError: a file is missing or cannot be read.
    """
    found = measure_all(
        *paths, against=against, runtimes=runtimes, against_runtime=against_runtime, csv=csv, split=split, limit=limit,
        tolerance=tolerance, onnx=onnx, tfjs=tfjs,
    )  # fmt: skip
    found.check()
    return found


def measure_all(
    *paths: str | PathLike[str],
    against: Source | None = None,
    runtimes: Sequence[str] = (),
    against_runtime: str | None = None,
    csv: str | PathLike[str] | None = None,
    split: str | None = None,
    limit: int | None = None,
    tolerance: float | None = None,
    onnx: str | PathLike[str] | None = None,
    tfjs: str | PathLike[str] | None = None,
    started: Callable[[str], object] = lambda step: None,
) -> Verification:
    """Measure as `verify` does, but leave it to the caller to `check` the result.

    The arguments are those of `verify`, and `started`, which is called with a line about each step before it begins.

    Raises:
        UsageError, ContractError, InvalidInputError: the same as for `verify`.
    """
    if csv is None and (split is not None or limit is not None):
        raise UsageError(f"{'--limit' if split is None else '--split'} chooses rows of --csv")
    if against is None and against_runtime is not None:
        raise UsageError("--against-runtime is what runs the file of --against")
    if paths and tfjs is not None:
        raise UsageError("--tfjs is what is verified without PATHS", hint="name it among PATHS")
    from fer_export.parity import comparing, samples

    chosen = [Path(fspath(path)) for path in paths]
    place = Path(fspath(ONNX_FILE if onnx is None else onnx))
    if chosen:
        plan = _named(chosen, against, runtimes, against_runtime)
    else:
        if against_runtime is not None:
            raise UsageError("--against-runtime is for PATHS")
        folder = Path(fspath(MODEL_FOLDER if tfjs is None else tfjs))
        plan = _bare(place, folder, against, runtimes, given=(onnx is not None, tfjs is not None))
    batches = samples.samples_for(plan.reference.contract)
    if csv is not None:
        started(f"reading {csv}")
        batches += samples.fer2013_samples(plan.reference.contract, Path(csv), split or SPLIT, limit)
    refused: dict[str, FerExportError] = {}
    figures = comparing.compare(
        plan.reference, plan.turns, batches, tolerance=tolerance, started=started, refused=refused.__setitem__
    )
    return Verification(
        reference=plan.reference.path,
        figures=tuple(figures),
        refused=refused,
        notes=plan.notes,
        turns=tuple(plan.turns),
        batches=tuple(batches),
        module=plan.module,
        onnx=place,
    )


@dataclass(frozen=True)
class _Plan:
    """Say what is compared with what."""

    turns: Sequence[Turn]
    reference: Reference
    module: nn.Module | None = None
    notes: tuple[str, ...] = ()


def _named(
    paths: Sequence[Path], against: Source | None, runtimes: Sequence[str], against_runtime: str | None
) -> _Plan:
    """Plan for named artefacts: compare them with `against`, or with the checkpoint that they were made from."""
    from fer_export.parity import comparing

    notes: tuple[str, ...] = ()
    wanted = names() if ALL in runtimes else tuple(runtimes) or None
    every = ALL not in runtimes
    if against is None:
        comparing.turns(paths, wanted, every=every)
        contract = read_contract(paths[0])
        source = _source(contract)
        if source is None:
            why, hint = _unknown(paths[0], contract)
            raise ContractError(
                f"nothing to hold {paths[0]} against: {why}",
                hint=f"{hint}, or another artefact of these weights: --against FILE",
            )
        against, notes = source, (_says(source),)
    model = as_model(against)
    turns = comparing.turns(paths, wanted, titled=[model.path], every=every)
    title = comparing.titles([model.path, *paths])[model.path]
    if model.net is not None:
        reference = comparing.module_reference(_checkpoint(model), model.path, model.module)
        return _Plan(turns, reference, model.module, notes)
    return _Plan(turns, comparing.artefact_reference(model.path, runtime=against_runtime, title=title), None, notes)


def _bare(
    onnx: Path, tfjs: Path, against: Source | None, runtimes: Sequence[str], *, given: tuple[bool, bool]
) -> _Plan:
    """Plan without paths: compare the ONNX file and the TF.js folder with their checkpoint, or TF.js with ONNX."""
    from fer_export.parity import comparing

    turns, notes = _of_both(onnx, tfjs, runtimes, given)
    contracts = {path: read_contract(path) for path in dict.fromkeys(turn.path for turn in turns)}
    if against is None:
        _check_same(contracts)
        first, contract = next(iter(contracts.items()))
        source = _source(contract)
        if source is None:
            return _onnx_first(turns, onnx, _unknown(first, contract), notes)
        notes.append(_says(source))
        against = source
    model = as_model(against)
    if model.kind != "torch":
        raise UsageError(
            f"{model.path} is no checkpoint: without PATHS only those are held against",
            hint=f"fer-export verify {onnx} {tfjs} --against {model.path}",
        )
    if model.contract.architecture.foreign and model.net is None:
        return _onnx_first(turns, onnx, _unknown(model.path, model.contract), notes)
    reference = comparing.module_reference(_checkpoint(model), model.path, model.module)
    return _Plan(turns, reference, model.module, tuple(notes))


def _of_both(onnx: Path, tfjs: Path, runtimes: Sequence[str], given: tuple[bool, bool]) -> tuple[list[Turn], list[str]]:
    """Return the turns of the ONNX file and the TF.js folder, as far as they exist, and a note about a missing one."""
    from fer_export.parity import comparing

    runs = {**dict.fromkeys(names("onnx"), onnx), **dict.fromkeys(names("tfjs"), tfjs)}
    unused = [name for name in runtimes if name not in runs and name != ALL]
    if unused:
        raise UsageError(f"neither {onnx} nor {tfjs} runs in {unused[0]}", hint="name what does: PATHS")
    wanted = tuple(runs) if ALL in runtimes else tuple(runtimes) or comparing.QUICK
    absent = [path for path, said in zip((onnx, tfjs), given, strict=True) if not said and not path.exists()]
    if (runtimes and ALL not in runtimes) or len(absent) == 2:
        absent = []  # reading it raises the error that names what is missing
    notes = [f"there is no {path}: it is left out" for path in absent]
    return [comparing.Turn(runs[name], name) for name in wanted if runs[name] not in absent], notes


def _onnx_first(turns: Sequence[Turn], onnx: Path, unknown: tuple[str, str], notes: Sequence[str]) -> _Plan:
    """Plan with the ONNX file as the reference for the TF.js folder; `unknown` says why not torch, and what helps."""
    from fer_export.parity import comparing

    why, hint = unknown
    rest = [turn for turn in turns if turn.runtime != "onnxruntime"]
    if not rest:
        raise UsageError(f"{why}: the ONNX file is the reference, and nothing is left", hint=hint)
    if not onnx.is_file():
        raise ContractError(f"{why}, and there is no {onnx} to hold it against", hint=hint)
    note = f"{why}: {onnx} is the reference; {hint}"
    return _Plan(rest, comparing.artefact_reference(onnx), None, (*notes, note))


def _unknown(path: Path, contract: Contract) -> tuple[str, str]:
    """Return why torch cannot be the reference for an artefact, and what helps."""
    if contract.architecture.foreign:
        return f"torch cannot compute {contract.architecture.name} without its code", "--ckpt FILE --arch NET has it"
    here = f"no checkpoint of the weights of {path} is packaged or below {RUNS}/"
    return f"{here} (sha256 {contract.weights_sha256[:12]}…)", _NAME_IT


def _check_same(contracts: Mapping[Path, Contract]) -> None:
    """Refuse two artefacts of different weights."""
    (first, one), *others = contracts.items()
    for path, other in others:
        if other.weights_sha256 != one.weights_sha256:
            raise ContractError(
                f"{path} and {first} were made from different weights "
                f"({other.weights_sha256[:12]}… and {one.weights_sha256[:12]}…)",
                hint=f"verify each alone: fer-export verify {first}, fer-export verify {path}; or name the one that "
                "belongs to the other: --onnx FILE, --tfjs FOLDER",
            )


def _source(contract: Contract) -> Path | None:
    """Return the checkpoint that an artefact was made from, where torch can compute it without further code."""
    return None if contract.architecture.foreign else find_checkpoint(contract)


def _says(source: Path) -> str:
    """Return a sentence about a checkpoint that was found."""
    name = source.stem if source == named(source.stem) else source
    return f"the checkpoint of these weights is {name}"


def _checkpoint(model: Model) -> Checkpoint:
    assert model.checkpoint is not None
    return model.checkpoint
