"""This module reads and writes frozen graphs, whose contract is a file beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fer_export.contract import Contract
from fer_export.errors import ContractError, InvalidInputError
from fer_export.files import replacing


def load_frozen(path: Path) -> Contract:
    """Return the contract beside a frozen graph, after checking that it belongs to it."""
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="fer-export tf --frozen build/fer.pb")
    beside = frozen_contract_path(path)
    if not beside.is_file():
        raise ContractError(f"{path} has no contract beside it ({beside.name})")
    contract = Contract.from_json(beside.read_bytes(), where=str(beside), hop="frozen")
    if contract.graph_sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ContractError(f"{path}: the contract in {beside.name} was written for another graph")
    return contract


def frozen_contract_path(path: Path) -> Path:
    """Return the path of the contract: `fer.pb` → `fer.pb.contract.json`. A GraphDef has no place for metadata."""
    return path.with_name(f"{path.name}.contract.json")


def write_frozen(path: Path, data: bytes, contract: Contract) -> None:
    """Write a frozen graph and its contract; each is renamed into place, and the hash shows if only one was."""
    contract = contract.but(graph_sha256=hashlib.sha256(data).hexdigest())
    with replacing(path) as temporary, replacing(frozen_contract_path(path)) as beside:
        temporary.write_bytes(data)
        beside.write_text(contract.to_json(), "utf-8")
