"""This module compares artefacts with a reference, each in each of its runtimes, on the same pictures.

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

#: The default runtimes. WebGPU and plain JavaScript are left out, since they take a minute without a GPU.
QUICK = ("onnxruntime", "tfjs-wasm", "tfjs-webgl")


@dataclass(frozen=True)
class Turn:
    """Name one artefact and one runtime to run it in.

    Attributes:
        path: the artefact's path.
        runtime: the runtime's registered name.
        title: the artefact's name in figures; with None, figures name the runtime only.
    """

    path: Path
    runtime: str
    title: str | None = None

    @property
    def label(self) -> str:
        """Return the name that figures use."""
        return self.runtime if self.title is None else f"{self.runtime} {self.title}"


@dataclass(frozen=True)
class Reference:
    """Hold the model that artefacts are compared with.

    Attributes:
        contract: the reference's own contract.
        path: the path that it was read from, for errors.
        open: opens it for a turn; a TF.js model runs on the same backend as the one that it is compared with.
    """

    contract: Contract
    path: Path
    open: Callable[[Turn, Resources], AbstractContextManager[Runtime]]


def turns(
    paths: Sequence[Path], wanted: Sequence[str] | None = None, *, titled: Iterable[Path] = (), every: bool = True
) -> list[Turn]:
    """Pair each artefact with each of the wanted runtimes that runs it.

    Where only one runtime runs an artefact, that runtime need not be named.

    Args:
        paths: the artefacts' paths.
        wanted: names of runtimes; None takes `QUICK`, or the first runtime for a kind that none of those runs.
        titled: further paths; titles are chosen so that they differ from those of these.
        every: raise an error where a wanted runtime runs none of the artefacts.

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
        path: a checkpoint, ONNX file, TF.js folder, SavedModel, frozen graph or `.tflite`.
        runtime: the runtime for it; None takes the first for its kind, or for a TF.js model the turn's.
        title: the artefact's name in figures.

    Raises:
        InvalidInputError, ContractError: the artefact cannot be read.
        UsageError: the runtime does not run it.
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
        path: the path that it was read from.
        module: maps the contract's inputs to its outputs, in order.
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
    """Measure how far each artefact lies from the reference; the caller decides with `parity.gate`.

    Args:
        reference: the model to compare with.
        compared: the artefacts and their runtimes.
        batches: batches of any size; artefacts of a fixed batch take them too.
        tolerance: the tolerance for all of them; None takes the contract's.
        started: called with a line about each turn before it begins.
        refused: called with each runtime that cannot be started or gives no usable numbers, and the error; then the
            next turn follows. With None, the first such error is raised.

    Raises:
        ContractError: an artefact and the reference were made from different weights.
        MissingDependencyError, ParityError: a runtime cannot be started or gives no usable numbers, and `refused`
            is None.
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
                figures += parity.measure_parity(first, second, batches, loosest, tolerance)
    return figures


def titles(paths: Iterable[Path]) -> dict[Path, str]:
    """Name each path by its last part, or by as many of its last parts as make the names differ."""
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
