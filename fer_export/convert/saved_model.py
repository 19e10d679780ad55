"""ONNX → TensorFlow: a SavedModel, and a frozen graph, by one of three converters."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import onnx

from fer_export import __version__, parity
from fer_export.contract import Contract, Conversion, Converter
from fer_export.convert.onnx2tf import for_onnx2tf
from fer_export.errors import UsageError
from fer_export.files import replacing_directory
from fer_export.formats.frozen import write_frozen
from fer_export.formats.saved_model import ASSET, load_saved_model, saved_model_sha256
from fer_export.formats.tfjs import write_tfjs
from fer_export.parity.samples import samples_for
from fer_export.runtimes import tensorflow
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.tfenv.worker import Worker
from fer_export.tfgraph import convert

CONVERTERS: tuple[Converter, ...] = get_args(Converter)
#: The environment that a converter runs in.
ENVIRONMENT = {"direct": "tf", "onnx2tf": "tf", "onnx-tf": "onnx-tf"}


@dataclass(frozen=True)
class Written:
    """A written SavedModel, a frozen graph where one was asked for, and what they measured."""

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
) -> Written:
    """Convert, write, and move into place once TensorFlow computes what onnxruntime does.

    Args:
        model, contract: as `fer_export.convert.onnx.load` answers them.
        directory: of the SavedModel. Its signature takes [N, H, W, C] and answers channels last,
            whichever converter; the contract is in `assets/contract.json`.
        worker: of the environment `tf`, or `onnx-tf` for that converter.
        frozen: for a GraphDef with constants; its contract lies beside it (`frozen_contract_path`).
        opset15: the ONNX file that onnx-tf gets (`fer_export.convert.opset15`).

    Raises:
        UnsupportedOperatorError: the direct writer lacks an operator.
        InvalidInputError: the converter fails.
        ParityError: the numbers do not hold; what was there stays.
        MissingDependencyError: the environment is not there.
    """
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
        saved = stack.enter_context(replacing_directory(directory))
        graph = scratch / "frozen.pb"
        job = Job(model, contract, entries_of(contract, batch), scratch, saved, graph, worker)
        tools = {"direct": by_direct, "onnx2tf": by_onnx2tf, "onnx-tf": by_onnx_tf}[converter](job, opset15)
        with tensorflow.saved_model(worker, saved) as runtime:
            figures = parity.measure(reference, runtime, batches, contract)
        if frozen:
            if not graph.is_file():
                outputs = [output.name for output in contract.outputs]
                worker.call("saved_model.freeze", source=saved, path=graph, entries=job.entries, outputs=outputs)
            with tensorflow.frozen(worker, graph, contract) as runtime:
                figures += parity.measure(reference, runtime, batches, contract)
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
    """The inputs as the workers take them: name, shape (channels last) and dtype of each."""
    return [{"name": spec.name, "shape": [batch, *spec.axes_last], "dtype": spec.dtype} for spec in contract.inputs]


def shapes_of(contract: Contract) -> list[list[int | None]]:
    """Sizes of the outputs as ONNX has them, channels first, without the batch; None for a free one."""
    sizes = [[size or None for size in output.shape] for output in contract.outputs]
    return [[*each[-1:], *each[:-1]] for each in sizes]


@dataclass(frozen=True)
class Job:
    """One conversion.

    Attributes:
        model, contract: what is converted.
        entries: of the inputs (`entries_of`).
        scratch: a folder for what lies between.
        saved: folder of the SavedModel.
        graph: for the frozen graph, where the converter has one.
        worker: of the converter's environment.
    """

    model: onnx.ModelProto
    contract: Contract
    entries: list[dict[str, Any]]
    scratch: Path
    saved: Path
    graph: Path
    worker: Worker

    @property
    def outputs(self) -> Sequence[str]:
        """Names, in the contract's order."""
        return [output.name for output in self.contract.outputs]


def by_direct(job: Job, _: bytes | None) -> dict[str, str]:
    """The graph that the TF.js writer makes, before operators are fused into ones that TensorFlow lacks."""
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
    """Convert with onnx2tf; answers its version."""
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
    """Convert with onnx-tf; answers its version."""
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
