"""This module loads a checkpoint whose net may be code outside this project."""

from __future__ import annotations

from pathlib import Path

from fer_export.contract import Contract
from fer_export.formats.model import Model, load
from fer_export.importing.assemble import rebuild


def load_with_code(path: Path, arch: str | None, contract: Contract) -> Model:
    """Read a checkpoint and, where `arch` names code, build its net with that code.

    Args:
        path: the checkpoint that the contract was made of, or the one that carries it.
        arch: the architecture, as for `architecture.resolve`; code that it names is run. None for nets of this project.
        contract: the contract of any artefact of the net.

    Raises:
        InvalidInputError: the file or the code is not usable, or the two do not fit.
        ContractError: the checkpoint has other weights than the contract's, or it has no contract and `arch` is None.
    """
    if arch is None:
        return load(path)
    checkpoint, net = rebuild(path, arch, contract)
    return Model(path, "torch", checkpoint.contract, checkpoint, net)
