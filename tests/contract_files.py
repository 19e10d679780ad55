"""This module reads and replaces the contract in a file of any format, without the code that is tested."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import safetensors.torch
import torch
from safetensors import safe_open

KEY = "fer_export.contract"
#: Files of contract 1, written by the code of then (see make.py there): one for each format, and some more.
CONTRACT1 = Path(__file__).parent / "data" / "contract1"
FORMATS = ("tiny.safetensors", "tiny.pth", "tiny.onnx", "tfjs", "saved_model", "tiny.pb", "tiny.tflite")


def read_record(path: Path) -> dict[str, Any]:
    """The contract as parsed JSON."""
    record: dict[str, Any] = json.loads(_places(path)[0]())
    return record


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Put another contract into the file."""
    _places(path)[1](json.dumps(record))


def _places(path: Path) -> tuple[Callable[[], str | bytes], Callable[[str], object]]:
    if path.is_dir():
        asset = path / "assets" / "contract.json"
        return (asset.read_text, asset.write_text) if asset.exists() else _of_tfjs(path / "model.json")
    if path.suffix == ".pb":
        beside = path.with_name(f"{path.name}.contract.json")
        return beside.read_text, beside.write_text
    return {".safetensors": _of_safetensors, ".pth": _of_pth, ".onnx": _of_onnx, ".tflite": _of_tflite}[path.suffix](
        path
    )


def _of_safetensors(path: Path) -> tuple[Callable[[], str], Callable[[str], object]]:
    def read() -> str:
        with safe_open(path, "pt") as archive:
            return str(archive.metadata()[KEY])

    return read, lambda text: safetensors.torch.save_file(safetensors.torch.load_file(path), path, {KEY: text})


def _of_pth(path: Path) -> tuple[Callable[[], str], Callable[[str], object]]:
    loaded = torch.load(path, weights_only=True)
    return lambda: str(loaded["contract"]), lambda text: torch.save({**loaded, "contract": text}, path)


def _of_onnx(path: Path) -> tuple[Callable[[], str], Callable[[str], object]]:
    model = onnx.load(path)
    entry = next(entry for entry in model.metadata_props if entry.key == KEY)

    def write(text: str) -> None:
        entry.value = text
        path.write_bytes(model.SerializeToString(deterministic=True))

    return lambda: str(entry.value), write


def _of_tfjs(path: Path) -> tuple[Callable[[], str], Callable[[str], object]]:
    document = json.loads(path.read_text())

    def write(text: str) -> None:
        document["userDefinedMetadata"][KEY] = json.loads(text)
        path.write_text(json.dumps(document))

    return lambda: json.dumps(document["userDefinedMetadata"][KEY]), write


def _of_tflite(path: Path) -> tuple[Callable[[], bytes], Callable[[str], object]]:
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found, start = archive.read("contract.json"), archive.infolist()[0].header_offset

    def write(text: str) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("contract.json", text)
        path.write_bytes(data[:start] + buffer.getvalue())

    return lambda: found, write
