"""Checkpoints: weights that carry their contract.

`safetensors` is the native format (the contract is in its metadata); `.pth` holds the two entries
`state_dict` and `contract` and is read with `weights_only=True`, so that no code in it is run.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fer_export import models
from fer_export.contract import KEY, Contract
from fer_export.errors import ContractError, InvalidInputError, first_line
from fer_export.files import replacing

#: What `torch.load` raises on damaged files: found by feeding it some thousands.
DAMAGED = (
    *(RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError),
    *(AttributeError, AssertionError, struct.error),
)
_PACKAGED = Path(__file__).parent / "pretrained"
PRETRAINED = _PACKAGED / "ferplus.safetensors"


def named(name: str) -> Path:
    """The path of a checkpoint: a packaged one by its name alone (`ferplus`), any other as it is."""
    packaged = _PACKAGED / f"{name}.safetensors"
    return packaged if packaged.is_file() and not Path(name).exists() else Path(name)


def packaged() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in _PACKAGED.glob("*.safetensors"))


def weights_sha256(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of the tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A contract and the state dict of its net."""

    contract: Contract
    state: dict[str, Tensor]

    def module(self) -> models.Classifier:
        """The net with normalisation and softmax, in eval mode.

        Raises:
            InvalidInputError: the weights do not fit the architecture in the contract.
        """
        architecture = self.contract.architecture
        net = models.build(architecture.name, **architecture.arguments)
        try:
            net.load_state_dict(self.state)
        except RuntimeError as error:
            reason = str(error).splitlines()[1:2] or [str(error)]
            raise InvalidInputError(f"the weights do not fit {architecture.name}: {reason[0].strip()}") from error
        calibration = self.contract.calibration
        temperature = calibration.temperature if calibration else 1.0
        return models.Classifier(net, self.contract.normalization, temperature).eval()


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; the ending `.safetensors` or `.pth` decides the format.

    Raises:
        InvalidInputError: another ending, or the place cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    text = checkpoint.contract.to_json()
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise InvalidInputError(f"{path}: a checkpoint ends in .safetensors or .pth")
    with replacing(path) as temporary:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(state, temporary, {KEY: text})
        else:
            torch.save({"state_dict": state, "contract": text}, temporary)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and hold its weights against the contract.

    Raises:
        InvalidInputError: missing, damaged or unsafe file.
        ContractError: no contract, or one that does not belong to these weights.
    """
    if not path.is_file():
        raise InvalidInputError(f"no checkpoint {path}", hint="make train writes runs/<recipe>/best.safetensors")
    text, state = (_load_safetensors if path.suffix == ".safetensors" else _load_pth)(path)
    contract = Contract.from_json(text, where=str(path))
    found = weights_sha256(state)
    if found != contract.weights_sha256:
        raise ContractError(
            f"{path}: the weights are not those of its contract "
            f"(sha256 {found[:12]}…, the contract says {contract.weights_sha256[:12]}…)"
        )
    return Checkpoint(contract, state)


def _load_safetensors(path: Path) -> tuple[str, dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as archive:
            text = (archive.metadata() or {}).get(KEY)
            state = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidInputError(f"{path} is not a safetensors file: {error}") from error
    if text is None:
        raise ContractError(f"{path} carries no contract (metadata key {KEY})")
    return text, state


def _load_pth(path: Path) -> tuple[str, dict[str, Tensor]]:
    try:
        with warnings.catch_warnings():
            # It warns of what it is about to refuse.
            warnings.simplefilter("ignore")
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidInputError(
            f"{path} holds more than weights and is not opened: loading it could run code",
            hint="save {'state_dict': …, 'contract': …} or a .safetensors file",
        ) from error
    except DAMAGED as error:
        raise InvalidInputError(f"{path} is not a PyTorch checkpoint: {first_line(error)}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("contract"), str):
        raise ContractError(f"{path} carries no contract")
    state = loaded.get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InvalidInputError(f"{path} holds no state_dict")
    return loaded["contract"], state
