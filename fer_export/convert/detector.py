"""This module exports the face detector: MTCNN's three nets, through the same two writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Literal

from fer_export.contract import Architecture, Cascade, Contract, Output, PictureInput
from fer_export.convert import onnx as to_onnx
from fer_export.convert import tfjs
from fer_export.files import replacing_directory
from fer_export.formats.checkpoint import weights_sha256
from fer_export.formats.onnx import load_onnx
from fer_export.formats.overwrite import check_detector, check_file
from fer_export.formats.places import DETECTOR_FOLDER, DETECTOR_ONNX_FOLDER
from fer_export.models import mtcnn
from fer_export.runtimes.tfjs import Browser

#: The types in which the nets' weights may be stored.
DetectorWeights = Literal["float16", "float32"]

_SIZES: dict[str, int | None] = {"pnet": None, "rnet": 24, "onet": 48}


@dataclass(frozen=True)
class Stage:
    """Describe one written net of the cascade."""

    name: str
    onnx: to_onnx.Exported
    tfjs: tfjs.Written


def contract_for(name: str) -> Contract:
    """Return the contract of `pnet` (free height and width), `rnet` (24×24) or `onet` (48×48)."""
    size = _SIZES[name]
    grid = (0, 0) if size is None else ()
    outputs = [
        Output(name="probabilities", shape=(*grid, 2), meaning="not a face, face"),
        Output(name="boxes", shape=(*grid, 4), meaning="offsets of x1, y1, x2, y2 in shares of the window"),
    ]
    if name == "onet":
        outputs.append(Output(name="landmarks", shape=(10,), meaning="five x, then five y, in shares of the box"))
    return Contract(
        architecture=Architecture(name=f"mtcnn_{name}"),
        inputs=(PictureInput(height=size, width=size, channels=3, color="rgb", normalization=mtcnn.NORMALIZATION),),
        cascade=Cascade.model_validate({"stage": name}),
        outputs=tuple(outputs),
        license="MIT (facenet-pytorch's packaged weights)",
        weights_sha256=weights_sha256(dict(mtcnn.stage(name).net.state_dict())),
        tools={"facenet-pytorch": _facenet_version()},
    )


def export_detector(
    path: str | PathLike[str] = DETECTOR_FOLDER,
    onnx: str | PathLike[str] = DETECTOR_ONNX_FOLDER,
    *,
    weights: DetectorWeights = "float16",
    backends: Sequence[str] = ("wasm",),
    force: bool = False,
    started: Callable[[str], object] = lambda name: None,
) -> list[Stage]:
    """Write all three as ONNX files and TF.js models, each with parity.

    Args:
        path: the folder for `pnet/`, `rnet/` and `onet/` in TF.js's format. All three are put in place
            together; if one fails, the earlier files stay.
        onnx: the folder for `pnet.onnx` and so on.
        weights: the type of the weights that TF.js's models store. All compute in float32. float16 halves the bytes and
            moves landmarks by 0.02 pixels of a face of 48 (median over 218 faces of PublicTest); uint8 moves P-Net's
            probabilities by 0.15 and is not offered.
        backends: the backends of TF.js to check on.
        force: replace what is at these places, whatever it is; files of other names stay.
        started: called with the name of each net before its turn.

    Raises:
        UsageError: something else than an earlier export is at one of the places.
        ParityError, InvalidInputError: the same as for the writers.
        MissingDependencyError: onnxruntime or a browser is missing.
    """
    directory, onnx_directory = Path(fspath(path)), Path(fspath(onnx))
    contracts = {name: contract_for(name) for name in mtcnn.STAGES}
    sums = {name: contract.weights_sha256 for name, contract in contracts.items()}
    own = check_detector(directory, sums, force=force)
    for name in contracts:
        check_file(onnx_directory / f"{name}.onnx", "onnx", sums[name], force=force, option="--onnx")
    stages = []
    with Browser() as browser, replacing_directory(directory, own=own) as temporary:
        for name, bare in contracts.items():
            started(name)
            exported = to_onnx.export(mtcnn.stage(name), bare, onnx_directory / f"{name}.onnx", force=force)
            model, contract = load_onnx(exported.path)
            written = tfjs.export(
                model, contract, temporary / name, weights=weights, browser=browser, backends=backends
            )
            stages.append(Stage(name, exported, written))
    return stages


def _facenet_version() -> str:
    from importlib.metadata import version

    return version("facenet-pytorch")
