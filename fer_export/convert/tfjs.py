"""This module converts ONNX to a TF.js graph model, without TensorFlow.

A graph model is a TensorFlow GraphDef in protobuf's JSON mapping (64-bit integers as strings, bytes
as base64) beside a manifest of weights in shards of at most 4 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from fer_export import __version__, parity
from fer_export.contract import Contract, Conversion, WeightsDType
from fer_export.files import replacing_directory
from fer_export.formats.overwrite import check_folder
from fer_export.formats.tfjs import load_tfjs, write_tfjs
from fer_export.parity.samples import samples_for
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph import convert
from fer_export.tfgraph.passes import PASSES


@dataclass(frozen=True)
class Written:
    """Describe a written TF.js model and its parity."""

    path: Path
    contract: Contract
    operators: Counter[str]
    bytes: int
    figures: list[parity.Figures]


def export(
    model: onnx.ModelProto,
    contract: Contract,
    directory: Path,
    *,
    browser: Browser,
    weights: WeightsDType = "float32",
    backends: Sequence[str] = ("wasm",),
    without: Collection[str] = (),
    force: bool = False,
) -> Written:
    """Convert, write, and move into place once TF.js in the browser computes what onnxruntime does.

    Args:
        model, contract: the model and contract that `fer_export.formats.onnx.load_onnx` returns.
        directory: the folder for `model.json` and its shards; an earlier export of the same weights there is replaced.
        browser: the browser in which TF.js runs.
        weights: the type in which weights are stored.
        backends: the backends of TF.js to check on.
        without: names of the converter's `PASSES` to leave out; the contract tells.
        force: replace a model of other weights, too, and write among files that this tool did not write.

    Raises:
        UsageError: something else than an earlier export is in the directory.
        UnsupportedOperatorError: the converter lacks an operator; nothing is written.
        ParityError: the outputs differ too much; the earlier files stay.
    """
    own = check_folder(directory, "tfjs", contract.weights_sha256, force=force)
    # The reference is made before the conversion, so that a converter that changes its input does not change it.
    reference = OnnxRuntime(model.SerializeToString())
    contract = contract.but(
        weights_dtype=weights,
        parity=(),
        conversion=Conversion(hop="tfjs", converter="direct", without=tuple(without)),
        tools={**contract.tools, "fer-export": __version__},
    )
    graph = convert(model, passes=passes_but(without))
    batches = samples_for(contract, batch=contract.fixed_batch)
    with replacing_directory(directory, own=own) as temporary:
        write_tfjs(graph, contract, temporary, weights)
        figures = []
        for backend in backends:
            with browser.open(temporary, backend) as runtime:
                figures += parity.measure_parity(reference, runtime, batches, contract)
        parity.gate(figures, hint="please report the model: this is a bug of the converter" if weights == "float32" else
                    "--weights float16 or float32 keeps closer")  # fmt: skip
        contract = contract.but(
            tools={**contract.tools, "tfjs": browser.tfjs_version},
            parity=tuple(figure.record() for figure in figures),
        )
        size = write_tfjs(graph, contract, temporary, weights)
        _, contract = load_tfjs(temporary)
    return Written(directory, contract, graph.operators(), size, figures)


def passes_but(without: Collection[str]) -> set[str]:
    """Return the names of the direct converter's passes for a TF.js model, but for some."""
    return set(PASSES) - set(without)
