"""This module writes a model in any format with one call, by as many hops as needed, each with parity."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, cast, get_args

from fer_export import parity
from fer_export.contract import Contract, Converter, WeightsDType
from fer_export.convert.hops import HOPS, OBEYS, Hop, Options, run_hop
from fer_export.errors import UsageError
from fer_export.formats.artefact import Kind
from fer_export.formats.model import Model, Source, as_model
from fer_export.formats.overwrite import check_file, check_folder

#: The formats that `export` writes. A frozen graph is written beside a SavedModel.
Format = Literal["onnx", "tfjs", "saved_model", "litert"]
#: The writer of TF.js models: our own, or TensorFlow's from a SavedModel.
Via = Literal["direct", "tensorflowjs"]
FORMATS: tuple[Format, ...] = get_args(Format)
VIAS: tuple[Via, ...] = get_args(Via)

_SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".tflite": "litert"}
_SAYS: dict[Hop, str] = {
    "onnx": "exporting by torch.onnx, then checking with onnxruntime",
    "tfjs": "converting, then checking in headless Chromium",
    "saved_model": "starting TensorFlow, then converting and checking",
    "litert": "starting TensorFlow, then converting and checking with LiteRT",
    "tensorflowjs": "starting TensorFlow, then converting and checking in headless Chromium",
}


@dataclass(frozen=True)
class Report:
    """Describe what was written, and its parity.

    Attributes:
        source: the path of the model.
        path: the path that was written.
        format: the format that was written.
        contract: the contract of the new artefact.
        figures: the figures of every hop, in order, each against the runtime of the hop before.
        bytes: the size of all files together.
        operators: the number of nodes of each kind in the graph; empty for SavedModels and `.tflite` files.
        frozen: the path of the frozen graph, where one was asked for.
        saved: the path of the checkpoint that was saved, where one was asked for.
    """

    source: Path
    path: Path
    format: Format
    contract: Contract
    figures: tuple[parity.Figures, ...]
    bytes: int
    operators: Mapping[str, int]
    frozen: Path | None
    saved: Path | None


def export(
    model: Source,
    path: str | PathLike[str],
    *,
    format: Format | None = None,
    weights: WeightsDType | None = None,
    opset: int | None = None,
    batch: int | None = None,
    via: Via | None = None,
    backends: Sequence[str] | None = None,
    without: Collection[str] | None = None,
    converter: Converter | None = None,
    frozen: str | PathLike[str] | None = None,
    checkpoint: Source | None = None,
    save: str | PathLike[str] | None = None,
    force: bool = False,
    started: Callable[[str], object] = lambda step: None,
) -> Report:
    """Write a model in another format, after checking that its outputs are still the same.

    Intermediate artefacts are made in a temporary folder, such as the ONNX file between a checkpoint and TF.js. An
    argument that no hop uses is an error.

    Args:
        model: a checkpoint, ONNX file or SavedModel, as a path, a packaged model's name, or what `load` has returned.
        path: the new file or folder.
        format: `onnx`, `tfjs`, `saved_model` or `litert`; None decides by the path's suffix.
        weights: for TF.js, the type of the stored weights: `float32` (the default), `float16` or `uint8`.
        opset: for ONNX, the exact opset; None takes 20.
        batch: for ONNX, a fixed batch; None makes it dynamic.
        via: for TF.js, the writer: our own, `direct` (the default), or TensorFlow's, `tensorflowjs`.
        backends: for TF.js, the backends to check on; None takes wasm.
        without: the passes of our writer to leave out.
        converter: for a SavedModel: `direct` (the default), `onnx2tf` or `onnx-tf`.
        frozen: the path for a frozen graph beside a SavedModel.
        checkpoint: for `onnx-tf`, the checkpoint that an ONNX file was made from; None finds it by its weights.
        save: the path, with suffix `.safetensors` or `.pth`, for a checkpoint with the weights and contract.
        force: replace whatever is at these places; files of other names in folders stay.
        started: called with the name of each hop before it begins.

    Returns:
        The paths that were written, the figures, and the contract.

    Raises:
        ParityError: the outputs of a hop differ too much; nothing was written.
        UsageError: there is no way from this model to that format, an argument does not fit, or something other
            than an earlier export of these weights is at one of the places.
        InvalidInputError, ContractError: the model cannot be read or converted, or a place cannot be written.
        MissingDependencyError: onnxruntime, a browser or a TensorFlow environment is missing.
    """
    found, target = as_model(model), Path(fspath(path))
    chosen = _format(target, format)
    options = Options(
        weights, opset, batch, backends, without or None, converter,
        None if frozen is None else Path(fspath(frozen)), checkpoint,
    )  # fmt: skip
    kept = None if save is None else Path(fspath(save))
    hops = _hops(found, target, chosen, via)
    _check_obeyed(hops, options, f"from {found.path} to {target}")
    _check_places(found, target, chosen, options.frozen, kept, force=force)
    figures: list[parity.Figures] = []
    current = found
    with tempfile.TemporaryDirectory(prefix="fer-export-") as scratch:
        for hop in hops:
            last = hop == hops[-1]
            place = target if last else Path(scratch) / ("model.onnx" if hop == "onnx" else hop)
            started(_SAYS[hop])
            written = run_hop(hop, current, place, options, force=force)
            figures += written.figures
            current = Model(written.path, "onnx" if hop == "onnx" else "saved_model", written.contract)
    if kept is not None and found.checkpoint is not None:
        from fer_export.formats import checkpoint as checkpoints

        checkpoints.save(found.checkpoint, kept)
    return Report(
        found.path, target, chosen, written.contract, tuple(figures), written.bytes, written.operators,
        options.frozen, kept,
    )  # fmt: skip


def _format(path: Path, wanted: Format | None) -> Format:
    found = wanted or _SUFFIXES.get(path.suffix)
    if found is None or found not in FORMATS:
        problem = f"no format is named {found!r}" if found else f"nothing says which format {path} is to have"
        raise UsageError(problem, hint=f"format={' or '.join(map(repr, FORMATS))}")
    return found


def _hops(model: Model, target: Path, chosen: Format, via: Via | None) -> tuple[Hop, ...]:
    """Return the hops from the model's kind to the format."""
    if via is not None and (chosen != "tfjs" or via not in VIAS):
        raise UsageError(
            f"via chooses the writer of TF.js models ({', '.join(VIAS)}), and {target} is written as {chosen}"
        )
    route = HOPS[via if via == "tensorflowjs" else chosen]
    if model.kind == "torch":
        return route
    if model.kind in route[:-1]:
        return route[route.index(cast(Hop, model.kind)) + 1 :]
    if chosen == "tfjs" and model.kind == "saved_model":
        raise UsageError(
            f"our own writer takes ONNX files, and {model.path} is a SavedModel", hint="--via tensorflowjs takes it"
        )
    raise UsageError(f"there is no way from {model.path} ({model.kind}) to {chosen}", hint="export from the checkpoint")


def _check_obeyed(hops: Sequence[Hop], options: Options, way: str) -> None:
    obeyed = {name for hop in hops for name in OBEYS[hop]}
    for name in options.given():
        if name not in obeyed:
            raise UsageError(f"{name} has no effect on the way {way}")
    if options.checkpoint is not None and options.converter != "onnx-tf":
        raise UsageError("a checkpoint beside the ONNX file is for the converter onnx-tf alone")


def _check_places(
    model: Model, target: Path, chosen: Format, frozen: Path | None, save: Path | None, *, force: bool
) -> None:
    """Refuse, before anything is computed, what would be refused when it is written."""
    if save is not None and model.checkpoint is None:
        raise UsageError(f"{model.path} is no checkpoint, and only those are saved")
    weights = model.contract.weights_sha256
    files: list[tuple[Path | None, Kind, str]] = [(frozen, "frozen", "--frozen"), (save, "torch", "--save")]
    if chosen in ("onnx", "litert"):
        files.append((target, cast(Kind, chosen), "-o"))
    else:
        check_folder(target, cast(Kind, chosen), weights, force=force)
    places = [path.resolve() for path in (model.path, target, frozen, save) if path is not None]
    twice = [place for place, count in Counter(places).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice: give each file that is read or written a path of its own")
    for path, kind, option in files:
        if path is not None:
            check_file(path, kind, weights, force=force, option=option)
