"""This module finds the checkpoint that an artefact was made from, among those on this machine."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from fer_export.contract import KEY, Contract
from fer_export.errors import ContractError
from fer_export.formats.packaged import named, packaged

#: The folder in which `python -m training` writes its checkpoints.
RUNS = Path("runs")


def find_checkpoint(contract: Contract, runs: Path = RUNS) -> Path | None:
    """Find the checkpoint of an artefact's weights among the packaged models, then below a folder.

    It reads only the contracts in the files' metadata, and no weights.

    Args:
        contract: the artefact's contract.
        runs: the folder to search; it need not exist.

    Returns:
        The first checkpoint with the same weights and the same labels, inputs, outputs and calibration, which
        the graph computes too; None where there is none.
    """
    for path in (*map(named, packaged()), *sorted(runs.rglob("*.safetensors"))):
        text = _contract_text(path)
        if text is None or contract.weights_sha256 not in text:
            continue
        try:
            found = Contract.from_json(text, where=str(path))
        except ContractError:
            continue
        if _computed(found) == _computed(contract):
            return path
    return None


def _contract_text(path: Path) -> str | None:
    try:
        with safe_open(path, framework="numpy") as archive:
            text: str | None = (archive.metadata() or {}).get(KEY)
            return text
    except (SafetensorError, OSError):
        return None


def _computed(contract: Contract) -> tuple[object, ...]:
    """Return all that decides what the graph computes: the weights and some fields of the contract."""
    calibration = contract.calibration.temperature if contract.calibration else 1.0
    outputs = tuple((output.name, output.shape) for output in contract.outputs)
    return (contract.weights_sha256, contract.architecture, contract.labels, contract.inputs, outputs, calibration)
