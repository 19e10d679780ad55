"""This module converts a SavedModel to LiteRT: a `.tflite` with its contract inside.

The contract is an associated file of the TFLite format: `contract.json` in a ZIP archive that is
appended to the flatbuffer (https://ai.google.dev/edge/litert/conversion/tensorflow/metadata), so any
unzip reads it and LiteRT ignores it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fer_export import __version__, parity
from fer_export.contract import Contract, Conversion
from fer_export.files import replacing
from fer_export.formats.litert import contract_archive, load_litert
from fer_export.formats.overwrite import check_file
from fer_export.formats.saved_model import load_saved_model
from fer_export.parity.samples import samples_for
from fer_export.runtimes import litert, tensorflow
from fer_export.tfenv.worker import Worker


@dataclass(frozen=True)
class Written:
    """Describe a written `.tflite` and its parity."""

    path: Path
    contract: Contract
    bytes: int
    figures: list[parity.Figures]


def convert(source: Path, path: Path, *, worker: Worker) -> str:
    """Write a SavedModel as a `.tflite` without a contract; answers the version of ai-edge-litert.

    Raises:
        InvalidInputError: the converter fails.
    """
    version: str = worker.call("run_litert.convert", source=source, path=path)
    return version


def export(source: Path, path: Path, *, worker: Worker, force: bool = False) -> Written:
    """Convert, and move into place once LiteRT computes what TensorFlow does with the SavedModel.

    Args:
        source: the folder of a SavedModel that `fer-export tf` wrote; the `.tflite` takes the same batch.
        worker: a worker in the environment `tf`.
        force: replace what is at `path`, whatever it is.

    Raises:
        UsageError: something else than an earlier export is at `path`.
        InvalidInputError: there is no SavedModel, or the converter fails, for example on an operator that LiteRT lacks.
        ParityError: the outputs differ too much; the earlier file stays.
        MissingDependencyError: the environment is missing.
    """
    contract = load_saved_model(source)
    check_file(path, "litert", contract.weights_sha256, force=force)
    # Contract 1 did not record the batch.
    batch = worker.call("saved_model.batch", source=source)
    batches = samples_for(contract, batch=batch)
    with replacing(path) as temporary:
        version = convert(source, temporary, worker=worker)
        with tensorflow.saved_model(worker, source) as reference, litert.model(worker, temporary) as runtime:
            figures = parity.measure_parity(reference, runtime, batches, contract)
        parity.gate(figures, hint="please report the model: this is a bug of the converter")
        model = temporary.read_bytes()
        contract = contract.but(
            tools={**contract.tools, "ai-edge-litert": version, "fer-export": __version__},
            parity=tuple(figure.record() for figure in figures),
            batch=batch or "dynamic",
            conversion=Conversion(hop="litert", converter=contract.converter),
            graph_sha256=hashlib.sha256(model).hexdigest(),
        )
        temporary.write_bytes(model + contract_archive(contract))
        load_litert(temporary)
    return Written(path, contract, path.stat().st_size, figures)
