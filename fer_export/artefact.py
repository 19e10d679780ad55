"""The contract of whatever is at a path."""

from __future__ import annotations

from pathlib import Path

from fer_export import checkpoint
from fer_export.contract import Contract
from fer_export.errors import InvalidInputError
from fer_export.export import onnx, tfjs


def read_contract(path: Path) -> Contract:
    """Read and check the contract of a checkpoint, an ONNX file, or a TF.js model (folder or model.json).

    Raises:
        InvalidInputError: no such file, or none of these.
        ContractError: no contract, or one that does not match.
    """
    if path.is_dir() or path.suffix == ".json":
        return tfjs.load(path)[1]
    if path.suffix == ".onnx":
        return onnx.load(path)[1]
    if path.suffix in (".safetensors", ".pth", ".pt"):
        return checkpoint.load(path).contract
    raise InvalidInputError(f"{path} is no .safetensors, .pth or .onnx file and no TF.js folder")
