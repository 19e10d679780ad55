"""ONNX → TF.js: a graph model, written directly.

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
from fer_export.formats.tfjs import load_tfjs, write_tfjs
from fer_export.parity.samples import samples_for
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph import convert
from fer_export.tfgraph.passes import PASSES


@dataclass(frozen=True)
class Written:
    """A written TF.js model and what it measured."""

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
    keep: tuple[str, ...] = (),
) -> Written:
    """Convert, write, and move into place once TF.js in the browser computes what onnxruntime does.

    Args:
        model, contract: as `fer_export.convert.onnx.load` answers them.
        directory: for `model.json` and its shards; what was there goes, but for entries in `keep`.
        browser: where TF.js runs.
        weights: how they are kept on disk.
        backends: of TF.js, to check on.
        without: names of the converter's `PASSES` to leave out; the contract tells.

    Raises:
        UnsupportedOperatorError: before anything is written.
        ParityError: the numbers do not hold; what was there stays.
    """
    # Before the conversion: one that alters its input must not alter what it is held against.
    reference = OnnxRuntime(model.SerializeToString())
    contract = contract.stored_as(weights).but(
        parity=(),
        conversion=Conversion(hop="tfjs", converter="direct", without=tuple(without)),
        tools={**contract.tools, "fer-export": __version__},
    )
    graph = convert(model, passes=passes_of(contract))
    batches = samples_for(contract, batch=contract.fixed_batch)
    with replacing_directory(directory, keep=keep) as temporary:
        write_tfjs(graph, contract, temporary, weights)
        figures = []
        for backend in backends:
            with browser.open(temporary, backend) as runtime:
                figures += parity.measure(reference, runtime, batches, contract)
        parity.gate(figures, hint="please report the model: this is a bug of the converter" if weights == "float32" else
                    "--weights float16 or float32 keeps closer")  # fmt: skip
        contract = contract.but(
            tools={**contract.tools, "tfjs": browser.tfjs_version},
            parity=tuple(figure.record() for figure in figures),
        )
        size = write_tfjs(graph, contract, temporary, weights)
        _, contract = load_tfjs(temporary)
    return Written(directory, contract, graph.operators(), size, figures)


def passes_of(contract: Contract) -> set[str]:
    """Return the names of the passes that the direct converter ran for a TF.js model, by its contract."""
    return set(PASSES) - set(contract.conversion.without if contract.conversion else ())
