"""This module reads SavedModels, folders that keep the contract among their assets."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fer_export.contract import Contract
from fer_export.errors import ContractError, InvalidInputError

#: The contract's path inside a SavedModel's folder.
ASSET = Path("assets/contract.json")


def load_saved_model(directory: Path) -> Contract:
    """Return the contract of a SavedModel, after checking it against the graph and variables.

    Raises:
        InvalidInputError: there is no SavedModel at the path.
        ContractError: there is no contract, or it belongs to another graph.
    """
    if not (directory / "saved_model.pb").is_file():
        made = f"fer-export tf --from {directory}" if directory.suffix == ".onnx" else "fer-export tf"
        raise InvalidInputError(f"no SavedModel in {directory}", hint=f"{made} writes build/saved_model")
    if not (directory / ASSET).is_file():
        raise ContractError(f"{directory} carries no contract ({ASSET})", hint="fer-export tf writes one that does")
    contract = Contract.from_json((directory / ASSET).read_bytes(), where=str(directory), hop="saved_model")
    if contract.graph_sha256 != saved_model_sha256(directory):
        raise ContractError(f"{directory}: the contract was written for another graph or other weights")
    return contract


def saved_model_sha256(directory: Path) -> str:
    """Hash the graph and the variables, but not the assets, since the contract is one of them."""
    digest = hashlib.sha256((directory / "saved_model.pb").read_bytes())
    for path in sorted((directory / "variables").glob("*")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
