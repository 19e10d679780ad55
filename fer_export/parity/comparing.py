"""Which runtime runs what is at a path, so that any two roads of one model can be held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_export import parity
from fer_export.contract import Contract
from fer_export.convert import saved_model
from fer_export.errors import ContractError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.artefact import kind, read_contract
from fer_export.parity.samples import Batch
from fer_export.runtimes import Answers, Pixels, Runtime, onnxruntime_web, tensorflow
from fer_export.runtimes import litert as litert_runtime
from fer_export.runtimes.fixed_batch import fixed_batch, in_batches
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime
from fer_export.tfenv.worker import Worker

#: What ONNX files run in.
ENGINES = ("onnxruntime", onnxruntime_web.NAME)


@contextmanager
def opened(
    path: Path,
    *,
    worker: Worker,
    browser: Browser,
    backend: str = "wasm",
    engine: str = ENGINES[0],
    title: str | None = None,
) -> Iterator[Runtime]:
    """A runtime for any artefact, named by its file. It takes any number of pictures, whatever the artefact's batch.

    Args:
        title: of the file; its name where None.
        worker: of the environment `tf`; it starts only where TensorFlow is needed.
        browser: for TF.js models, on `backend`, and for ONNX files in onnxruntime-web.
        engine: for ONNX files, of `ENGINES`.

    Raises:
        InvalidInputError, ContractError, MissingDependencyError: it cannot be read or run.
        ParityError: the backend cannot be had.
    """
    with _opened(path, worker, browser, backend, engine) as runtime:
        yield _Named(in_batches(runtime, fixed_batch(path)), title or path.name)


@contextmanager
def _opened(path: Path, worker: Worker, browser: Browser, backend: str, engine: str) -> Iterator[Runtime]:
    found = kind(path)
    if found == "torch":
        loaded = checkpoint.load(path)
        yield TorchRuntime(loaded.module(), loaded.contract)
    elif found == "onnx" and engine == onnxruntime_web.NAME:
        with onnxruntime_web.model(browser, path) as session:
            yield session
    elif found == "onnx":
        yield OnnxRuntime(path)
    elif found == "tfjs":
        with browser.open(path if path.is_dir() else path.parent, backend) as runtime:
            yield runtime
    elif found == "saved_model":
        with tensorflow.saved_model(worker, path) as opened_model:
            yield opened_model
    elif found == "frozen":
        with tensorflow.frozen(worker, path, saved_model.load_frozen(path)) as opened_model:
            yield opened_model
    else:
        with litert_runtime.model(worker, path) as opened_model:
            yield opened_model


def compare(
    reference: Path,
    paths: Sequence[Path],
    batches: Sequence[Batch],
    *,
    backends: Sequence[str] = ("wasm",),
    engines: Sequence[str] = ENGINES[:1],
    against: str | None = None,
    tolerance: float | None = None,
    started: Callable[[str], object] = lambda name: None,
    refused: parity.Refused | None = None,
) -> list[parity.Figures]:
    """Measure each artefact against the reference one; the caller decides with `parity.gate`.

    Args:
        backends: of TF.js, one after the other where an artefact is a TF.js model.
        engines: of `ENGINES`, one after the other where it is an ONNX file.
        against: what runs the reference, of `fer_export.parity.hops.RUNTIMES`. Where None, onnxruntime for an ONNX
            file, and for a TF.js model the backend of the one that is held against it, or else wasm.
        tolerance: for all of them; by the weights' type where None.
        started: told each before its turn.
        refused: told which runtime cannot be had or show numbers, and why; then the others have their turn. Where
            None, the first of these errors ends it.

    Raises:
        ContractError: two were made from different weights.
        MissingDependencyError, ParityError: a runtime cannot be had or show numbers, and nobody is told by `refused`.
        UsageError: there is nothing to run one of them in.
    """
    turns = [(path, *turn) for path in paths for turn in _turns(path, backends, engines)]
    chosen = None if against is None else _chosen(reference, against)
    expected = read_contract(reference)
    named = titles([reference, *paths])
    figures: list[parity.Figures] = []
    with Worker("tf") as worker, Browser() as browser:
        for path, backend, engine in turns:
            started(f"running {path}")
            contract = read_contract(path)
            _same_weights(expected, reference, contract, path)
            loosest = max(expected, contract, key=lambda one: one.tolerance.value)
            first_backend, first_engine = chosen or (backend, ENGINES[0])
            with (
                parity.going_on(f"{_runtime(path, backend, engine)} {named[path]}", refused),
                opened(
                    reference,
                    worker=worker,
                    browser=browser,
                    backend=first_backend,
                    engine=first_engine,
                    title=named[reference],
                ) as first,
                opened(
                    path, worker=worker, browser=browser, backend=backend, engine=engine, title=named[path]
                ) as second,
            ):
                figures += parity.measure(first, second, batches, loosest, tolerance)
    return figures


def _turns(path: Path, backends: Sequence[str], engines: Sequence[str]) -> list[tuple[str, str]]:
    """Backend and engine, for each time that an artefact is run."""
    found = kind(path)
    if found == "onnx":
        return [("wasm", engine) for engine in engines]
    if found != "tfjs":
        return [("wasm", ENGINES[0])]
    if not backends:
        raise UsageError(
            f"{path} is a TF.js model, and no runtime was asked for that runs it", hint="--runtime tfjs-wasm"
        )
    return [(backend, ENGINES[0]) for backend in backends]


def titles(paths: Iterable[Path]) -> dict[Path, str]:
    """Each path's name or, where another ends so too, as many of its last parts as tell it from the others."""
    others = {path: path.absolute().parts for path in paths}
    found = {}
    for path, parts in others.items():
        rest = [each for each in others.values() if each != parts]
        counts = range(1, len(parts) + 1)
        count = next((count for count in counts if all(each[-count:] != parts[-count:] for each in rest)), len(parts))
        found[path] = str(Path(*parts[-count:]))
    return found


def _runtime(path: Path, backend: str, engine: str) -> str:
    """What runs it, by the name that figures give it."""
    names = {"onnx": engine, "tfjs": f"tfjs-{backend}", "saved_model": "tensorflow", "frozen": "tf-frozen"}
    return names.get(kind(path), kind(path))


def _chosen(path: Path, runtime: str) -> tuple[str, str]:
    """Backend and engine, for a runtime by its name."""
    found, backend = kind(path), runtime.removeprefix("tfjs-")
    if found == "onnx" and runtime in ENGINES:
        return "wasm", runtime
    if found == "tfjs" and backend != runtime:
        return backend, ENGINES[0]
    raise UsageError(f"{path} does not run in {runtime}")


@dataclass(frozen=True)
class _Named:
    runtime: Runtime
    title: str

    @property
    def name(self) -> str:
        return f"{self.runtime.name} {self.title}"

    def __call__(self, pixels: Pixels) -> Answers:
        return self.runtime(pixels)


def _same_weights(first: Contract, first_path: Path, second: Contract, second_path: Path) -> None:
    if first.weights_sha256 != second.weights_sha256:
        raise ContractError(
            f"{second_path} was made from other weights than {first_path} "
            f"({second.weights_sha256[:12]}… and {first.weights_sha256[:12]}…)",
            hint="export both from one checkpoint, or name another with --against",
        )
