"""This module converts ONNX to TensorFlow: a SavedModel, and a frozen graph, by one of three converters."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import onnx

from fer_export import __version__, parity
from fer_export.contract import Contract, Conversion, Converter
from fer_export.convert.onnx2tf import for_onnx2tf
from fer_export.errors import UsageError
from fer_export.files import replacing_directory
from fer_export.formats.frozen import write_frozen
from fer_export.formats.overwrite import check_file, check_folder
from fer_export.formats.saved_model import ASSET, load_saved_model, saved_model_sha256
from fer_export.formats.tfjs import write_tfjs
from fer_export.parity.samples import samples_for
from fer_export.runtimes import tensorflow
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.tfenv.worker import Worker
from fer_export.tfgraph import convert

CONVERTERS: tuple[Converter, ...] = get_args(Converter)
#: The environment that each converter runs in.
ENVIRONMENT = {"direct": "tf", "onnx2tf": "tf", "onnx-tf": "onnx-tf"}


@dataclass(frozen=True)
class Written:
    """Describe a written SavedModel, a frozen graph where one was asked for, and their parity."""

    path: Path
    frozen: Path | None
    contract: Contract
    bytes: int
    figures: list[parity.Figures]


def export(
    model: onnx.ModelProto,
    contract: Contract,
    directory: Path,
    *,
    worker: Worker,
    converter: Converter = "direct",
    frozen: Path | None = None,
    opset15: bytes | None = None,
    force: bool = False,
) -> Written:
    """Convert, write, and move into place once TensorFlow computes what onnxruntime does.

    Args:
        model, contract: the model and contract that `fer_export.formats.onnx.load_onnx` returns.
        directory: the SavedModel's folder. Its signature takes [N, H, W, C] and returns channels last,
            with every converter; the contract is in `assets/contract.json`.
        worker: a worker in the environment `tf`, or `onnx-tf` for that converter.
        frozen: the path for a GraphDef with constants; its contract is written beside it (`frozen_contract_path`).
        opset15: the model in opset 15, which onnx-tf needs (`fer_export.convert.opset15`).
        force: replace models of other weights, too, and write among files that this tool did not write.

    Raises:
        UsageError: something else than an earlier export is at one of the places.
        UnsupportedOperatorError: the direct writer lacks an operator.
        InvalidInputError: the converter fails.
        ParityError: the outputs differ too much; the earlier files stay.
        MissingDependencyError: the environment is missing.
    """
    own = check_folder(directory, "saved_model", contract.weights_sha256, force=force)
    if frozen:
        check_file(frozen, "frozen", contract.weights_sha256, force=force, option="--frozen")
    batch = contract.fixed_batch
    batches = samples_for(contract, batch=batch)
    reference = OnnxRuntime(model.SerializeToString())
    contract = contract.but(
        parity=(),
        graph_sha256=None,
        conversion=Conversion(hop="saved_model", converter=converter),
        tools={**contract.tools, "fer-export": __version__},
    )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        saved = stack.enter_context(replacing_directory(directory, own=own))
        job = replace(Job.prepared(model, contract, batch, scratch, worker), saved=saved)
        tools = CONVERT[converter](job, opset15)
        with tensorflow.saved_model(worker, saved) as runtime:
            figures = parity.measure_parity(reference, runtime, batches, contract)
        if frozen:
            graph = freeze(job, worker)
            with tensorflow.frozen(worker, graph, contract) as runtime:
                figures += parity.measure_parity(reference, runtime, batches, contract)
        parity.gate(figures, hint=None if converter == "direct" else "--converter direct")
        tools = {**contract.tools, "tensorflow": worker.call("saved_model.version"), **tools}
        contract = contract.but(tools=tools, parity=tuple(figure.record() for figure in figures))
        contract = contract.but(graph_sha256=saved_model_sha256(saved))
        (saved / ASSET).write_text(contract.to_json(), "utf-8")
        load_saved_model(saved)
        if frozen:
            made_by = Conversion(hop="frozen", converter=converter)
            write_frozen(frozen, graph.read_bytes(), contract.but(conversion=made_by))
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return Written(directory, frozen, contract, size, figures)


def entries_of(contract: Contract, batch: int | None) -> list[dict[str, Any]]:
    """Return the inputs as the workers take them: name, shape (channels last) and dtype of each."""
    return [{"name": spec.name, "shape": [batch, *spec.axes_last], "dtype": spec.dtype} for spec in contract.inputs]


def shapes_of(contract: Contract) -> list[list[int | None]]:
    """Return the sizes of ONNX's outputs, channels first, without the batch; None for a free one."""
    sizes = [[size or None for size in output.shape] for output in contract.outputs]
    return [[*each[-1:], *each[:-1]] for each in sizes]


@dataclass(frozen=True)
class Job:
    """Describe one conversion.

    Attributes:
        model, contract: the model to convert.
        entries: the inputs (`entries_of`).
        scratch: a folder for intermediate files.
        saved: the SavedModel's folder.
        graph: the path for the frozen graph, where the converter writes one.
        worker: a worker in the converter's environment.
    """

    model: onnx.ModelProto
    contract: Contract
    entries: list[dict[str, Any]]
    scratch: Path
    saved: Path
    graph: Path
    worker: Worker

    @classmethod
    def prepared(
        cls, model: onnx.ModelProto, contract: Contract, batch: int | None, folder: Path, worker: Worker
    ) -> Job:
        """Return a job whose files all lie in a folder, an empty one."""
        scratch = folder / "scratch"
        scratch.mkdir()
        saved, graph = folder / "saved_model", folder / "frozen.pb"
        return cls(model, contract, entries_of(contract, batch), scratch, saved, graph, worker)

    @property
    def outputs(self) -> Sequence[str]:
        """Return the outputs' names in the contract's order."""
        return [output.name for output in self.contract.outputs]


def by_direct(job: Job, _: bytes | None) -> dict[str, str]:
    """Write the TF.js writer's graph, without the fused operators, which TensorFlow lacks."""
    folder = job.scratch / "graph_model"
    folder.mkdir()
    graph = convert(job.model, passes=False)
    write_tfjs(graph, job.contract, folder, "float32")
    job.worker.call("graph_model.to_frozen", model=folder, path=job.graph)
    job.worker.call(
        "saved_model.from_frozen",
        graph=job.graph,
        directory=job.saved,
        entries=job.entries,
        outputs=job.outputs,
        contract=job.contract.to_json(),
    )
    return {}


def by_onnx2tf(job: Job, _: bytes | None) -> dict[str, str]:
    """Convert with onnx2tf, and return its version."""
    path = job.scratch / "model.onnx"
    path.write_bytes(for_onnx2tf(job.model).SerializeToString())
    version = job.worker.call(
        "run_onnx2tf.convert",
        model=path,
        directory=job.saved,
        entries=job.entries,
        outputs=job.outputs,
        shapes=shapes_of(job.contract),
        contract=job.contract.to_json(),
    )
    return {"onnx2tf": version}


def by_onnx_tf(job: Job, opset15: bytes | None) -> dict[str, str]:
    """Convert with onnx-tf, and return its version."""
    if opset15 is None:
        raise UsageError("onnx-tf needs the model in opset 15")
    path, raw = job.scratch / "opset15.onnx", job.scratch / "onnx_tf"
    path.write_bytes(opset15)
    version = job.worker.call("run_onnx_tf.convert", model=path, directory=raw)
    job.worker.call(
        "saved_model.from_channels_first",
        source=raw,
        directory=job.saved,
        entries=job.entries,
        outputs=job.outputs,
        contract=job.contract.to_json(),
    )
    return {"onnx-tf": version}


#: How each converter writes a job's SavedModel, of the job and the model in opset 15, which onnx-tf alone needs; it
#: answers the names and versions of its tools.
CONVERT: dict[Converter, Callable[[Job, bytes | None], dict[str, str]]] = {
    "direct": by_direct,
    "onnx2tf": by_onnx2tf,
    "onnx-tf": by_onnx_tf,
}


def freeze(job: Job, worker: Worker) -> Path:
    """Return a job's frozen graph, of its SavedModel where the converter wrote none before it.

    Args:
        job: one that is done.
        worker: of the converter's environment or of `tf`.
    """
    if not job.graph.is_file():
        worker.call("saved_model.freeze", source=job.saved, path=job.graph, entries=job.entries, outputs=job.outputs)
    return job.graph
