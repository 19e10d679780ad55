"""This module reads and writes checkpoints: weights together with their contract.

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
from torch import Tensor, nn

from fer_export import models
from fer_export.contract import BY_LABEL, KEY, Contract
from fer_export.errors import ContractError, InvalidInputError, first_line
from fer_export.files import replacing
from fer_export.formats import pickles
from fer_export.formats.packaged import PRETRAINED, named, packaged
from fer_export.models import guess_architecture
from fer_export.models.building import build_architecture
from fer_export.models.wrapped import Wrapped

__all__ = [
    "DAMAGED",
    "PRETRAINED",
    "Checkpoint",
    "load_checkpoint",
    "named",
    "packaged",
    "read_state",
    "save",
    "weights_sha256",
]

#: The exceptions of `torch.load` on damaged files, as found by damaging some thousands.
DAMAGED = (
    *(RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError),
    *(AttributeError, AssertionError, struct.error),
)


def weights_sha256(state: dict[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of the tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Hold a contract and the state dict of its net."""

    contract: Contract
    state: dict[str, Tensor]

    def module(self, net: nn.Module | None = None) -> models.Classifier | Wrapped:
        """Return the net with normalisation and softmax, in eval mode.

        Args:
            net: a net of the contract's architecture, needed where that is code outside this project.

        Raises:
            InvalidInputError: such a net is needed and was not given, or the weights do not fit.
        """
        contract = self.contract
        net = build_architecture(contract.architecture, contract.inputs[0].channels) if net is None else net
        try:
            net.load_state_dict(self.state)
        except RuntimeError as error:
            reason = str(error).splitlines()[1:2] or [str(error)]
            name = contract.architecture.name
            raise InvalidInputError(f"the weights do not fit {name}: {reason[0].strip()}") from error
        temperature = contract.calibration.temperature if contract.calibration else 1.0
        spec, *more = contract.inputs
        if spec.kind != "picture" or more or tuple(output.name for output in contract.outputs) != BY_LABEL:
            return Wrapped(net, contract, temperature).eval()
        return models.Classifier(net, spec.normalization, temperature).eval()


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; the suffix `.safetensors` or `.pth` decides the format.

    Raises:
        InvalidInputError: the suffix is another one, or the file cannot be written.
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


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check its weights against the contract.

    Raises:
        InvalidInputError: the file is missing, damaged or unsafe.
        ContractError: there is no contract, or it does not belong to these weights.
    """
    text, loaded = read_state(path)
    if text is None:
        raise ContractError(f"{path} carries no contract", hint=guess_architecture.command(path, loaded))
    state = loaded if path.suffix == ".safetensors" else loaded.get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InvalidInputError(f"{path} holds no state_dict")
    contract = Contract.from_json(text, where=str(path))
    found = weights_sha256(state)
    if found != contract.weights_sha256:
        raise ContractError(
            f"{path}: the weights are not those of its contract "
            f"(sha256 {found[:12]}…, the contract says {contract.weights_sha256[:12]}…)"
        )
    return Checkpoint(contract, state)


def read_state(path: Path) -> tuple[str | None, Any]:
    """Return the text of a file's contract, or None, and the object that it holds; no code in it is run.

    Raises:
        InvalidInputError: the file is missing, damaged or unsafe.
    """
    if not path.is_file():
        raise InvalidInputError(f"no checkpoint {path}", hint="make train writes runs/<recipe>/best.safetensors")
    return (_read_safetensors if path.suffix == ".safetensors" else _read_pth)(path)


def _read_safetensors(path: Path) -> tuple[str | None, dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as archive:
            text = (archive.metadata() or {}).get(KEY)
            return text, {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidInputError(f"{path} is not a safetensors file: {error}") from error


def _read_pth(path: Path) -> tuple[str | None, Any]:
    if pickles.is_torchscript(path):
        reason, hint = pickles.explain(path)
        raise InvalidInputError(reason, hint=hint)
    try:
        with warnings.catch_warnings():
            # torch warns before it refuses the file with an error.
            warnings.simplefilter("ignore")
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason, hint = pickles.explain(path)
        raise InvalidInputError(reason, hint=hint) from error
    except DAMAGED as error:
        raise InvalidInputError(f"{path} is not a PyTorch checkpoint: {first_line(error)}") from error
    text = loaded.get("contract") if isinstance(loaded, dict) else None
    return text if isinstance(text, str) else None, loaded
