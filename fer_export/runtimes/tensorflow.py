"""TensorFlow, in the environment `tf` (or `onnx-tf`): SavedModels and frozen graphs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.contract import Contract
from fer_export.runtimes import Answers, Pixels, Runtime, by_input, typed
from fer_export.runtimes.fixed_batch import in_batches
from fer_export.runtimes.registry import Resources, runtime
from fer_export.tfenv.worker import Worker


class WorkerRuntime:
    """A model that is open in a worker. The functions below, and `runtimes.litert`, make it.

    Attributes:
        batch: that the model insists on, as TensorFlow reads it; None where it is free.
    """

    def __init__(self, worker: Worker, name: str, number: int, batch: int | None) -> None:
        self.name = name
        self.batch = batch
        self._worker = worker
        self._number = number

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last.

        Raises:
            InvalidInputError: the model fails on it.
        """
        # The worker knows the name of a single input.
        pictures = {name: typed(part) for name, part in by_input(pixels, "pixels").items()}
        answers: Answers = self._worker.call("infer.run", number=self._number, pictures=pictures)
        return answers


@contextmanager
def opened(worker: Worker, name: str, task: str, **arguments: Any) -> Iterator[WorkerRuntime]:
    """A runtime for what a task of `tfenv/tasks/infer.py` opens."""
    found = worker.call(task, **arguments)
    number, batch = found["number"], found["batch"]
    yield WorkerRuntime(worker, name, number, batch)
    # Not after a failure: the process may be the one that died, and its reason is not to be lost.
    worker.call("infer.close", number=number)


@contextmanager
def saved_model(worker: Worker, directory: Path) -> Iterator[WorkerRuntime]:
    """A runtime for a SavedModel's default signature.

    Raises:
        InvalidInputError: TensorFlow cannot load it.
        MissingDependencyError: the environment is not there.
    """
    with opened(worker, "tensorflow", "infer.open_saved_model", path=directory) as opened_model:
        yield opened_model


@contextmanager
def frozen(worker: Worker, path: Path, contract: Contract) -> Iterator[WorkerRuntime]:
    """A runtime for a frozen graph whose nodes have the names of the contract's inputs and outputs.

    Raises:
        InvalidInputError, MissingDependencyError: as for `saved_model`.
    """
    with opened(worker, "tf-frozen", "infer.open_frozen", path=path, **ends_of(contract)) as opened_model:
        yield opened_model


def ends_of(contract: Contract) -> dict[str, list[str]]:
    """Names of `inputs` and `outputs`, as the workers take them for what does not tell them itself."""
    return {"inputs": [each.name for each in contract.inputs], "outputs": [each.name for each in contract.outputs]}


@runtime("tensorflow", "saved_model")
@contextmanager
def open_saved_model(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a SavedModel, which takes any number of rows: contract 1 did not tell its batch."""
    with saved_model(resources.worker, path) as opened_model:
        yield in_batches(opened_model, opened_model.batch)


@runtime("tf-frozen", "frozen")
@contextmanager
def open_frozen(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a frozen graph, which takes any number of rows: contract 1 did not tell its batch."""
    from fer_export.formats.frozen import load_frozen

    with frozen(resources.worker, path, load_frozen(path)) as opened_model:
        yield in_batches(opened_model, opened_model.batch)
