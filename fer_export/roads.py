"""Which runtime runs what is at a path, so that any two roads of one model can be held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_export import checkpoint, parity
from fer_export.artefact import kind, read_contract
from fer_export.contract import Contract
from fer_export.environments.worker import Worker
from fer_export.errors import ContractError
from fer_export.export import saved_model
from fer_export.runtime import Answers, Pixels, Runtime, tensorflow
from fer_export.runtime import litert as litert_runtime
from fer_export.runtime.onnxruntime import OnnxRuntime
from fer_export.runtime.tfjs import Browser
from fer_export.runtime.torch import TorchRuntime
from fer_export.samples import Batch


@contextmanager
def opened(path: Path, *, worker: Worker, browser: Browser, backend: str = "wasm") -> Iterator[Runtime]:
    """A runtime for any artefact, named by its file.

    Args:
        worker: of the environment `tf`; it starts only where TensorFlow is needed.
        browser: for TF.js models, on `backend`.

    Raises:
        InvalidInputError, ContractError, MissingDependencyError: it cannot be read or run.
    """
    found = kind(path)
    if found == "torch":
        loaded = checkpoint.load(path)
        yield _Named(TorchRuntime(loaded.module(), loaded.contract), path)
    elif found == "onnx":
        yield _Named(OnnxRuntime(path), path)
    elif found == "tfjs":
        with browser.open(path if path.is_dir() else path.parent, backend) as runtime:
            yield _Named(runtime, path)
    elif found == "saved_model":
        with tensorflow.saved_model(worker, path) as opened_model:
            yield _Named(opened_model, path)
    elif found == "frozen":
        with tensorflow.frozen(worker, path, saved_model.load_frozen(path)) as opened_model:
            yield _Named(opened_model, path)
    else:
        with litert_runtime.model(worker, path) as opened_model:
            yield _Named(opened_model, path)


def compare(
    reference: Path,
    paths: Sequence[Path],
    batches: Sequence[Batch],
    *,
    backends: Sequence[str] = ("wasm",),
    tolerance: float | None = None,
    started: Callable[[str], object] = lambda name: None,
) -> list[parity.Figures]:
    """Measure each artefact against the reference one; the caller decides with `parity.gate`.

    Args:
        backends: of TF.js, one after the other where an artefact is a TF.js model.
        tolerance: for all of them; by the weights' type where None.
        started: told each before its turn.

    Raises:
        ContractError: two were made from different weights.
        ParityError: a runtime cannot show numbers.
    """
    expected = read_contract(reference)
    figures: list[parity.Figures] = []
    with Worker("tf") as worker, Browser() as browser:
        for path in paths:
            contract = read_contract(path)
            _same_weights(expected, reference, contract, path)
            loosest = max(expected, contract, key=lambda one: parity.TOLERANCES[one.weights_dtype])
            for backend in backends if kind(path) == "tfjs" else ("wasm",):
                started(f"running {path}")
                with (
                    # On the same backend, where both are TF.js models: a page has one at a time.
                    opened(reference, worker=worker, browser=browser, backend=backend) as first,
                    opened(path, worker=worker, browser=browser, backend=backend) as second,
                ):
                    figures += parity.measure(first, second, batches, loosest, tolerance)
    return figures


@dataclass(frozen=True)
class _Named:
    runtime: Runtime
    path: Path

    @property
    def name(self) -> str:
        return f"{self.runtime.name} {self.path.name}"

    def __call__(self, pixels: Pixels) -> Answers:
        return self.runtime(pixels)


def _same_weights(first: Contract, first_path: Path, second: Contract, second_path: Path) -> None:
    if first.weights_sha256 != second.weights_sha256:
        raise ContractError(
            f"{second_path} was made from other weights than {first_path} "
            f"({second.weights_sha256[:12]}… and {first.weights_sha256[:12]}…)",
            hint="export both from one checkpoint, or name another with --against",
        )
