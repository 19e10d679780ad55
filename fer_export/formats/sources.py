"""The checkpoint that an artefact was made from, found among those that are here."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from fer_export.contract import KEY, Contract
from fer_export.errors import ContractError
from fer_export.formats.packaged import named, packaged

#: Where `python -m training` writes its checkpoints.
RUNS = Path("runs")


def find_checkpoint(contract: Contract, runs: Path = RUNS) -> Path | None:
    """Find the checkpoint of an artefact's weights: among the packaged models, then below a folder.

    Only the contracts in the files' metadata are read, no weights.

    Args:
        contract: of the artefact.
        runs: the folder to look through; it need not be there.

    Returns:
        The first checkpoint of the same weights that says the same of labels, inputs, outputs and calibration, which
        are computed inside the graph too; None where there is none.
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
    """What decides, beside the weights, what the graph computes."""
    calibration = contract.calibration.temperature if contract.calibration else 1.0
    outputs = tuple((output.name, output.shape) for output in contract.outputs)
    return (contract.weights_sha256, contract.architecture, contract.labels, contract.inputs, outputs, calibration)
