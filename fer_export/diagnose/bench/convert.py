"""Two roads from one ONNX file to TF.js, side by side: the direct writer, and onnx2tf with tensorflowjs_converter.

Each conversion is a process of its own, in turn: direct, official, direct, official, … Its time is that from the
start of the process until the model is on disk. So the imports are in it, on both sides; checks in a browser are
in neither. Where there is a choice, it is made for the official road: one process for both of its steps, so that
TensorFlow is imported once; neither onnxsim nor the `.tflite` files that onnx2tf would also write; and the
rewrites of `fer_export.convert.onnx2tf`, done beforehand, of what it gets wrong.
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
from fer_export.runtimes import Pixels, channels_first
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

#: What people bring: five CNNs for 48×48 faces, and three backbones of torchvision at ImageNet's size.
MODELS = (
    *("ferplus", "simple_cnn", "emotion_cnn", "face_emotion_cnn", "resnet9"),
    *("torchvision:resnet18", "torchvision:mobilenet_v3_small", "torchvision:efficientnet_b0"),
)


def compare(
    name: str, loaded: Checkpoint, *, turns: int, browser: Browser, started: Callable[[str], object] = lambda what: None
) -> Compared:
    """Export to ONNX, then convert in turn by both roads, and hold what they wrote last against onnxruntime.

    A road that fails keeps its reason, and the other one goes on.

    Raises:
        MissingDependencyError: TensorFlow's environment, or the browser, is not there.
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
    """Every turn of both roads. Answers the tensors of the official model's outputs, by their names."""
    tensors: dict[str, str] = {}
    for turn in range(turns):
        for road, side in compared.sides.items():
            if side.reason is None:
                started(f"{compared.name}: {road}, turn {turn + 1} of {turns}")
                with _failing(side):
                    cost, end = convert_process.convert(_job(road, folder, contract))
                    side.costs.append(cost)
                    tensors = end.get("tensors", tensors)
    return tensors


def _hold(
    compared: Compared, loaded: Checkpoint, contract: Contract, folder: Path, tensors: dict[str, str], browser: Browser
) -> None:
    """What both wrote in their last turn, against onnxruntime; and that, against float64."""
    reference = OnnxRuntime(folder / "direct.onnx")
    batches = samples_for(contract)
    exact = _exact(loaded)
    compared.rounding = max(
        float(np.abs(values - answers[name]).max())
        for batch in batches
        for answers in [reference(batch.pixels)]
        for name, values in exact(batch.pixels).items()
    )
    for road, side in compared.sides.items():
        if side.reason is None:
            with _failing(side):
                side.nodes, side.bytes = _size(folder / road)
                if road == "official":
                    _made_fit(folder / road, tensors)
                with browser.open(folder / road, "wasm") as runtime:
                    figures = parity.measure(reference, runtime, batches, contract)
                side.difference = max(figure.max_abs for figure in figures)


def _exact(loaded: Checkpoint) -> Callable[[Pixels], dict[str, npt.NDArray[np.float64]]]:
    """The net in float64: its answers by name."""
    module = loaded.module().double()

    def run(pixels: Pixels) -> dict[str, npt.NDArray[np.float64]]:
        with torch.inference_mode():
            answers = module(torch.from_numpy(channels_first(pixels)).double())
        return {output.name: answer.numpy() for output, answer in zip(loaded.contract.outputs, answers, strict=True)}

    return run


@contextmanager
def _failing(*sides: Side) -> Iterator[None]:
    """Keep the reason of a failure, and go on."""
    try:
        yield
    except FerExportError as error:
        for side in sides:
            side.reason = error.reason


def _job(road: str, folder: Path, contract: Contract) -> dict[str, Any]:
    """A conversion that starts from nothing."""
    for name in (road, "saved_model"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / road).mkdir()
    return {
        "road": road,
        "model": str(folder / f"{road}.onnx"),
        "folder": str(folder / road),
        "scratch": str(folder / "saved_model"),
        "entries": saved_model.entries_of(contract, None),
        "outputs": [output.name for output in contract.outputs],
        "shapes": saved_model.shapes_of(contract),
    }


def _size(folder: Path) -> tuple[int, int]:
    """Nodes that compute, those of functions included; and bytes of all files, without the contract, which only the
    direct writer's model holds.
    """
    document = json.loads((folder / "model.json").read_text("utf-8"))
    topology = document["modelTopology"]
    nodes = [*topology["node"], *(node for each in topology["library"].get("function", []) for node in each["nodeDef"])]
    count = sum(node["op"] not in ("Const", "Placeholder") for node in nodes)
    contract = json.dumps(document.get("userDefinedMetadata", {}), separators=(",", ":"), ensure_ascii=False)
    return count, sum(path.stat().st_size for path in folder.iterdir()) - len(contract.encode())


def _made_fit(folder: Path, tensors: dict[str, str]) -> None:
    """What `fer-export tfjs --via tensorflowjs` does to the converter's model, so that it runs and its outputs have
    their names.
    """
    path = folder / "model.json"
    document = json.loads(path.read_text("utf-8"))
    tensorflowjs.made_fit(document, tensors, folder)
    path.write_text(json.dumps(document), "utf-8")
