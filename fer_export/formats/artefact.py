"""This module tells what kind of artefact is at a path, and reads its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError

Kind = Literal["torch", "onnx", "tfjs", "saved_model", "frozen", "litert"]
_SUFFIXES: dict[str, Kind] = {
    ".safetensors": "torch",
    ".pth": "torch",
    ".pt": "torch",
    ".onnx": "onnx",
    ".json": "tfjs",
    ".pb": "frozen",
    ".tflite": "litert",
}


def kind(path: Path) -> Kind:
    """Return the kind of artefact that a path names: checkpoint, ONNX, TF.js, SavedModel, frozen graph or `.tflite`.

    Raises:
        InvalidInputError: the name belongs to none of these kinds.
    """
    if path.is_dir():
        return "saved_model" if (path / "saved_model.pb").is_file() else "tfjs"
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    if path.exists():
        reason = f"{path} is no .safetensors, .pth, .onnx, .pb or .tflite file and no TF.js folder or SavedModel"
        raise InvalidInputError(reason)
    raise InvalidInputError(f"no file {path}")


def read_contract(path: Path, expected: Kind | None = None) -> Contract:
    """Read and check the contract of any artefact.

    Args:
        path: of the artefact.
        expected: the kind that it is read as; None to go by its name.

    Raises:
        InvalidInputError: the file is missing, or is none of these kinds.
        ContractError: the artefact has no contract, or one that does not match it.
    """
    return _READERS[expected or kind(path)](path)


# Each reader is imported when it is called: torch and onnx take seconds, and what names a runtime reads no file.


def _torch(path: Path) -> Contract:
    from fer_export.formats import checkpoint

    return checkpoint.load_checkpoint(path).contract


def _onnx(path: Path) -> Contract:
    from fer_export.formats.onnx import load_onnx

    return load_onnx(path)[1]


def _tfjs(path: Path) -> Contract:
    from fer_export.formats.tfjs import load_tfjs

    return load_tfjs(path)[1]


def _saved_model(path: Path) -> Contract:
    from fer_export.formats.saved_model import load_saved_model

    return load_saved_model(path)


def _frozen(path: Path) -> Contract:
    from fer_export.formats.frozen import load_frozen

    return load_frozen(path)


def _litert(path: Path) -> Contract:
    from fer_export.formats.litert import load_litert

    return load_litert(path)


_READERS: dict[Kind, Callable[[Path], Contract]] = {
    "torch": _torch,
    "onnx": _onnx,
    "tfjs": _tfjs,
    "saved_model": _saved_model,
    "frozen": _frozen,
    "litert": _litert,
}
