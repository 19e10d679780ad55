"""Artefacts held against a reference: each in each of its runtimes, on the same pictures.

The reference is torch for a checkpoint, or any other artefact of the same weights in its own runtime, so that any
two routes of one model can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fer_export import parity
from fer_export.contract import Contract
from fer_export.errors import ContractError, UsageError
from fer_export.formats.artefact import kind, read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.parity.samples import Batch
from fer_export.runtimes import Runtime
from fer_export.runtimes.registry import Resources, engine, names, open_runtime
from fer_export.runtimes.torch import TorchRuntime

#: Runtimes that are taken when nobody chooses: WebGPU and plain JavaScript take a minute where there is no GPU.
QUICK = ("onnxruntime", "tfjs-wasm", "tfjs-webgl")


@dataclass(frozen=True)
class Turn:
    """One artefact in one runtime.

    Attributes:
        path: of the artefact.
        runtime: its registered name.
        title: of the artefact in figures; figures name the runtime alone where None.
    """

    path: Path
    runtime: str
    title: str | None = None

    @property
    def label(self) -> str:
        """What figures call it."""
        return self.runtime if self.title is None else f"{self.runtime} {self.title}"


@dataclass(frozen=True)
class Reference:
    """What artefacts are held against.

    Attributes:
        contract: its own.
        path: where it was read, for errors.
        open: opens it beside a turn, since a TF.js model is run on the backend of the one that it is compared with.
    """

    contract: Contract
    path: Path
    open: Callable[[Turn, Resources], AbstractContextManager[Runtime]]


def turns(
    paths: Sequence[Path], wanted: Sequence[str] | None = None, *, titled: Iterable[Path] = (), every: bool = True
) -> list[Turn]:
    """Each artefact in each of the wanted runtimes that runs it.

    An artefact of a kind that only one runtime runs needs not be asked for.

    Args:
        paths: of the artefacts.
        wanted: names of runtimes; `QUICK`, or the first for a kind that none of those runs, where None.
        titled: further paths that titles have to tell these from.
        every: each of the wanted runtimes has to run one of the artefacts.

    Raises:
        InvalidInputError: there is no artefact at a path.
        UsageError: a wanted runtime runs none of the artefacts, or none of them runs one of the artefacts.
    """
    title = titles([*titled, *paths])
    runs = {path: names(kind(path)) for path in paths}
    unused = [name for name in wanted or () if not any(name in each for each in runs.values())]
    if unused and every:
        first = paths[0]
        raise UsageError(f"{first} does not run in {unused[0]}", hint=f"it runs in {', '.join(runs[first])}")
    found = []
    for path, possible in runs.items():
        chosen = [name for name in possible if name in (QUICK if wanted is None else wanted)]
        if not chosen and wanted is not None and len(possible) > 1:
            raise UsageError(
                f"no runtime was asked for that runs {path}", hint=" or ".join(f"--runtime {name}" for name in possible)
            )
        found += [Turn(path, name, title[path]) for name in chosen or possible[:1]]
    return found


def artefact_reference(path: Path, *, runtime: str | None = None, title: str | None = None) -> Reference:
    """Take an artefact as the reference.

    Args:
        path: of a checkpoint, ONNX file, TF.js folder, SavedModel, frozen graph or `.tflite`.
        runtime: what runs it; where None the first for its kind, and of a TF.js model the turn's.
        title: of the artefact in figures.

    Raises:
        InvalidInputError, ContractError: it cannot be read.
        UsageError: that runtime does not run it.
    """
    if runtime is not None:
        engine(path, runtime)
    own = names(kind(path))

    @contextmanager
    def opened(turn: Turn, resources: Resources) -> Iterator[Runtime]:
        beside = turn.runtime if turn.runtime in own and kind(path) == "tfjs" else None
        with open_runtime(path, resources, runtime or beside, title=title) as run:
            yield run

    return Reference(read_contract(path), path, opened)


def module_reference(loaded: Checkpoint, path: Path, module: nn.Module) -> Reference:
    """Take a checkpoint's own module in torch as the reference.

    Args:
        loaded: the checkpoint.
        path: where it was read.
        module: maps its contract's inputs to its outputs, in order.
    """

    @contextmanager
    def opened(turn: Turn, resources: Resources) -> Iterator[Runtime]:
        yield TorchRuntime(module, loaded.contract)

    return Reference(loaded.contract, path, opened)


def compare(
    reference: Reference,
    compared: Sequence[Turn],
    batches: Sequence[Batch],
    *,
    tolerance: float | None = None,
    started: Callable[[str], object] = lambda name: None,
    refused: parity.Refused | None = None,
) -> list[parity.Figures]:
    """Measure each artefact against the reference one; the caller decides with `parity.gate`.

    Args:
        reference: what they are held against.
        compared: artefacts in their runtimes.
        batches: of any size, whatever batch the artefacts insist on.
        tolerance: for all of them; by the weights' type where None.
        started: is told each turn before it begins.
        refused: is told which runtime cannot be had or show numbers, and why; then the others have their turn. Where
            None, the first of these errors ends it.

    Raises:
        ContractError: two were made from different weights.
        MissingDependencyError, ParityError: a runtime cannot be had or show numbers, and nobody is told by `refused`.
    """
    figures: list[parity.Figures] = []
    with Resources() as resources:
        for turn in compared:
            started(f"running {turn.label}")
            contract = read_contract(turn.path)
            _check_weights(reference, contract, turn.path)
            loosest = max(reference.contract, contract, key=lambda one: one.tolerance.value)
            with (
                parity.going_on(turn.label, refused),
                reference.open(turn, resources) as first,
                open_runtime(turn.path, resources, turn.runtime, title=turn.title) as second,
            ):
                figures += parity.measure(first, second, batches, loosest, tolerance)
    return figures


def titles(paths: Iterable[Path]) -> dict[Path, str]:
    """Name each path by its last part or, where another ends so too, by as many of its last parts as tell it apart."""
    others = {path: path.absolute().parts for path in paths}
    found = {}
    for path, parts in others.items():
        rest = [each for each in others.values() if each != parts]
        counts = range(1, len(parts) + 1)
        count = next((count for count in counts if all(each[-count:] != parts[-count:] for each in rest)), len(parts))
        found[path] = str(Path(*parts[-count:]))
    return found


def _check_weights(reference: Reference, contract: Contract, path: Path) -> None:
    if reference.contract.weights_sha256 != contract.weights_sha256:
        raise ContractError(
            f"{path} was made from other weights than {reference.path} "
            f"({contract.weights_sha256[:12]}… and {reference.contract.weights_sha256[:12]}…)",
            hint="name what it was made from: --ckpt FILE, or --against FILE",
        )
