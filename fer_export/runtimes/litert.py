"""This module runs `.tflite` files in LiteRT, the runtime for telephones, in the environment `tf`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_export.runtimes import Runtime
from fer_export.runtimes.fixed_batch import in_batches
from fer_export.runtimes.registry import Resources, runtime
from fer_export.runtimes.tensorflow import WorkerRuntime, opened
from fer_export.tfenv.worker import Worker


@contextmanager
def model(worker: Worker, path: Path) -> Iterator[WorkerRuntime]:
    """Open a runtime for a `.tflite` with a signature.

    Raises:
        InvalidInputError: LiteRT cannot load the file.
        MissingDependencyError: the environment is missing.
    """
    with opened(worker, "litert", "infer.open_litert", path=path) as opened_model:
        yield opened_model


@runtime("litert", "litert")
@contextmanager
def open_tflite(path: Path, resources: Resources) -> Iterator[Runtime]:
    """Open a `.tflite` for any number of rows; LiteRT gives the batch, since contract 1 did not record it."""
    with model(resources.worker, path) as opened_model:
        yield in_batches(opened_model, opened_model.batch)
