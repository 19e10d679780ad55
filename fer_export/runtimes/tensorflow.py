"""This module runs SavedModels and frozen graphs in TensorFlow, in the environment `tf` (or `onnx-tf`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_export.contract import Contract
from fer_export.runtimes import Inputs, Outputs, Runtime, typed
from fer_export.runtimes.fixed_batch import in_batches
from fer_export.runtimes.registry import Resources, runtime
from fer_export.tfenv.worker import Worker


class WorkerRuntime:
    """Run a model that is open in a worker; the functions below and `runtimes.litert` make it.

    Attributes:
        batch: the batch that the model is fixed to, as TensorFlow reads it; None where it is free.
    """

    def __init__(self, worker: Worker, name: str, number: int, batch: int | None) -> None:
        self.name = name
        self.batch = batch
        self._worker = worker
        self._number = number

    def __call__(self, inputs: Inputs) -> Outputs:
        """Compute the outputs [N, …, C] by name, float32, for the inputs [N, …, C] by name.

        Raises:
            InvalidInputError: the model fails to run.
        """
        fed = {name: typed(part) for name, part in inputs.items()}
        answers: Outputs = self._worker.call("infer.run", number=self._number, inputs=fed)
        return answers


@contextmanager
def opened(worker: Worker, name: str, task: str, **arguments: Any) -> Iterator[WorkerRuntime]:
    """Open a model with a task of `tfenv/tasks/infer.py`, and yield a runtime for it."""
    found = worker.call(task, **arguments)
    number, batch = found["number"], found["batch"]
    yield WorkerRuntime(worker, name, number, batch)
    # The model is not closed after a failure, since the process may have died, and its reason must not be hidden.
    worker.call("infer.close", number=number)


@contextmanager
def saved_model(worker: Worker, directory: Path) -> Iterator[WorkerRuntime]:
    """Open a runtime for a SavedModel's default signature.

    Raises:
        InvalidInputError: TensorFlow cannot load it.
        MissingDependencyError: the environment is missing.
    """
    with opened(worker, "tensorflow", "infer.open_saved_model", path=directory) as opened_model:
        yield opened_model


@contextmanager
def frozen(worker: Worker, path: Path, contract: Contract) -> Iterator[WorkerRuntime]:
    """Open a runtime for a frozen graph whose nodes have the names of the contract's inputs and outputs.

    Raises:
        InvalidInputError, MissingDependencyError: the same as for `saved_model`.
    """
    with opened(worker, "tf-frozen", "infer.open_frozen", path=path, **ends_of(contract)) as opened_model:
        yield opened_model


def ends_of(contract: Contract) -> dict[str, list[str]]:
    """Return the names of `inputs` and `outputs`, for workers that open a file without a signature."""
    return {"inputs": [each.name for each in contract.inputs], "outputs": [each.name for each in contract.outputs]}


@runtime("tensorflow", "saved_model")
@contextmanager
def open_saved_model(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a SavedModel for any number of rows; TensorFlow gives the batch, since contract 1 did not record it."""
    with saved_model(resources.worker, path) as opened_model:
        yield in_batches(opened_model, opened_model.batch)


@runtime("tf-frozen", "frozen")
@contextmanager
def open_frozen(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a frozen graph for any number of rows; TensorFlow gives the batch, since contract 1 did not record it."""
    from fer_export.formats.frozen import load_frozen

    with frozen(resources.worker, path, load_frozen(path)) as opened_model:
        yield in_batches(opened_model, opened_model.batch)
