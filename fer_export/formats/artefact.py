"""What is at a path, and its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.frozen import load_frozen
from fer_export.formats.litert import load_litert
from fer_export.formats.onnx import load_onnx
from fer_export.formats.saved_model import load_saved_model
from fer_export.formats.tfjs import load_tfjs

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
    """Which kind of artefact a path names: checkpoint, ONNX, TF.js, SavedModel, frozen graph or `.tflite`.

    Raises:
        InvalidInputError: its name is of none of these.
    """
    if path.is_dir():
        return "saved_model" if (path / "saved_model.pb").is_file() else "tfjs"
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    if path.exists():
        reason = f"{path} is no .safetensors, .pth, .onnx, .pb or .tflite file and no TF.js folder or SavedModel"
        raise InvalidInputError(reason)
    raise InvalidInputError(f"no file {path}")


def read_contract(path: Path) -> Contract:
    """Read and check the contract of any artefact.

    Raises:
        InvalidInputError: no such file, or none of these.
        ContractError: no contract, or one that does not match.
    """
    readers = {
        "torch": lambda file: checkpoint.load(file).contract,
        "onnx": lambda file: load_onnx(file)[1],
        "tfjs": lambda folder: load_tfjs(folder)[1],
        "saved_model": load_saved_model,
        "frozen": load_frozen,
        "litert": load_litert,
    }
    return readers[kind(path)](path)
