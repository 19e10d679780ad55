"""This module compares two routes from ONNX to TF.js: the direct writer, and onnx2tf with tensorflowjs_converter.

Each conversion is a process of its own, in turn: direct, official, direct, official, … It is timed from the
start of the process until the model is on disk. So both times include the imports, and neither includes the checks
in a browser. Every choice favours the official route: one process for both of its steps, so that
TensorFlow is imported once; no onnxsim, and none of the `.tflite` files that onnx2tf would also write; and the
rewrites of `fer_export.convert.onnx2tf` done beforehand, outside the time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_export import parity
from fer_export.contract import Contract
from fer_export.convert import onnx, saved_model, tensorflowjs
from fer_export.convert.onnx2tf import for_onnx2tf
from fer_export.diagnose.bench import convert_process
from fer_export.diagnose.bench.convert_sides import Compared, Side
from fer_export.errors import FerExportError
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Inputs, channels_first
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

#: The models to compare: five CNNs for 48×48 faces, and three of torchvision's backbones at ImageNet's size.
MODELS = (
    *("ferplus", "simple_cnn", "emotion_cnn", "face_emotion_cnn", "resnet9"),
    *("torchvision:resnet18", "torchvision:mobilenet_v3_small", "torchvision:efficientnet_b0"),
)


def compare(
    name: str, loaded: Checkpoint, *, turns: int, browser: Browser, started: Callable[[str], object] = lambda what: None
) -> Compared:
    """Export to ONNX, convert in turn by both routes, and compare what they wrote last with onnxruntime.

    A route that fails keeps its reason, and the other one continues.

    Raises:
        MissingDependencyError: TensorFlow's environment, or the browser, is missing.
    """
    convert_process.interpreter("official")
    browser.tfjs_version  # noqa: B018  (starts it)
    compared = Compared(name)
    with TemporaryDirectory(prefix="fer-export-bench-") as temporary:
        folder = Path(temporary)
        started(f"{name}: exporting to ONNX")
        with _failing(*compared.sides.values()):
            onnx.export(loaded.module(), loaded.contract, folder / "direct.onnx")
            model, contract = load_onnx(folder / "direct.onnx")
            with _failing(compared.official):
                (folder / "official.onnx").write_bytes(for_onnx2tf(model).SerializeToString())
            tensors = _convert(compared, contract, folder, turns, started)
            started(f"{name}: running both in TF.js")
            _hold(compared, loaded, contract, folder, tensors, browser)
    return compared


def _convert(
    compared: Compared, contract: Contract, folder: Path, turns: int, started: Callable[[str], object]
) -> dict[str, str]:
    """Run every turn of both routes, and return the tensor of each of the official model's outputs, by output name."""
    tensors: dict[str, str] = {}
    for turn in range(turns):
        for route, side in compared.sides.items():
            if side.reason is None:
                started(f"{compared.name}: {route}, turn {turn + 1} of {turns}")
                with _failing(side):
                    cost, end = convert_process.convert(_job(route, folder, contract))
                    side.costs.append(cost)
                    tensors = end.get("tensors", tensors)
    return tensors


def _hold(
    compared: Compared, loaded: Checkpoint, contract: Contract, folder: Path, tensors: dict[str, str], browser: Browser
) -> None:
    """Measure both routes' last models against onnxruntime, and onnxruntime against float64."""
    reference = OnnxRuntime(folder / "direct.onnx")
    batches = samples_for(contract)
    exact = _exact(loaded)
    compared.rounding = max(
        float(np.abs(values - answers[name]).max())
        for batch in batches
        for answers in [reference(batch.inputs)]
        for name, values in exact(batch.inputs).items()
    )
    for route, side in compared.sides.items():
        if side.reason is None:
            with _failing(side):
                side.nodes, side.bytes = _size(folder / route)
                if route == "official":
                    _made_fit(folder / route, tensors)
                with browser.open(folder / route, "wasm") as runtime:
                    figures = parity.measure_parity(reference, runtime, batches, contract)
                side.difference = max(figure.max_abs for figure in figures)


def _exact(loaded: Checkpoint) -> Callable[[Inputs], dict[str, npt.NDArray[np.float64]]]:
    """Return a function that computes the net's outputs by name in float64."""
    module, contract = loaded.module().double(), loaded.contract

    def run(inputs: Inputs) -> dict[str, npt.NDArray[np.float64]]:
        with torch.inference_mode():
            answers = module(
                *(torch.from_numpy(channels_first(inputs[spec.name])).double() for spec in contract.inputs)
            )
        return {output.name: answer.numpy() for output, answer in zip(contract.outputs, answers, strict=True)}

    return run


@contextmanager
def _failing(*sides: Side) -> Iterator[None]:
    """Keep the reason of a failure, and continue."""
    try:
        yield
    except FerExportError as error:
        for side in sides:
            side.reason = error.reason


def _job(route: str, folder: Path, contract: Contract) -> dict[str, Any]:
    """Return the job of one conversion, with empty folders."""
    for name in (route, "saved_model"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / route).mkdir()
    return {
        "route": route,
        "model": str(folder / f"{route}.onnx"),
        "folder": str(folder / route),
        "scratch": str(folder / "saved_model"),
        "entries": saved_model.entries_of(contract, None),
        "outputs": [output.name for output in contract.outputs],
        "shapes": saved_model.shapes_of(contract),
    }


def _size(folder: Path) -> tuple[int, int]:
    """Count a model's computing nodes, those in functions included, and the bytes of its files.

    The contract is left out of the bytes, since only the direct writer's model holds one.
    """
    document = json.loads((folder / "model.json").read_text("utf-8"))
    topology = document["modelTopology"]
    nodes = [*topology["node"], *(node for each in topology["library"].get("function", []) for node in each["nodeDef"])]
    count = sum(node["op"] not in ("Const", "Placeholder") for node in nodes)
    contract = json.dumps(document.get("userDefinedMetadata", {}), separators=(",", ":"), ensure_ascii=False)
    return count, sum(path.stat().st_size for path in folder.iterdir()) - len(contract.encode())


def _made_fit(folder: Path, tensors: dict[str, str]) -> None:
    """Repair the converter's model as `fer-export tfjs --via tensorflowjs` does, so that it runs with our names."""
    path = folder / "model.json"
    document = json.loads(path.read_text("utf-8"))
    tensorflowjs.made_fit(document, tensors, folder)
    path.write_text(json.dumps(document), "utf-8")
