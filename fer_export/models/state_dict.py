"""This module finds the state dict in a file that any trainer wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fer_export.errors import InvalidInputError, UsageError

State = dict[str, Tensor]
#: Entries that trainers keep weights under; the first of these that a file has is taken.
CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
#: Prefixes that wrappers add to every name: DataParallel, Lightning and other holders, torch.compile.
PREFIXES = ("module.", "model.", "net.", "_orig_mod.")


@dataclass(frozen=True)
class Weights:
    """Hold a state dict, and a note on what was chosen among several."""

    state: State
    notes: tuple[str, ...] = ()


def find(loaded: Any, where: str, *, entry: str | None = None) -> Weights:
    """Find the state dict in what `torch.load` returned.

    Args:
        loaded: the object that the file holds.
        where: the file's name, for error messages.
        entry: the entry to take where there are several state dicts.

    Raises:
        InvalidInputError: there is no state dict, or there are several under unknown names.
        UsageError: there is no entry of this name.
    """
    states = _states(loaded)
    if entry is not None:
        if entry not in states:
            raise UsageError(
                f"{where} has no state dict under {entry!r}", hint=f"it has: {', '.join(states) or 'none'}"
            )
        return Weights(states[entry])
    if _is_state(loaded):
        return Weights(dict(loaded))
    tensors = _tensors(loaded)
    if tensors and not states:
        others = ", ".join(str(name) for name in loaded if name not in tensors)
        return Weights(tensors, (f"entries that are no weights are left out: {others}",))
    if not states:
        raise InvalidInputError(f"{where} holds no state dict: {_about(loaded)}")
    known = [name for name in CONTAINERS if name in states]
    if not known and len(states) > 1:
        raise InvalidInputError(
            f"{where} holds several state dicts: {', '.join(states)}", hint=f"choose one: --entry {next(iter(states))}"
        )
    chosen = (known or list(states))[0]
    others = ", ".join(name for name in states if name != chosen)
    more = f", not {others} (--entry takes another)" if others else ""
    return Weights(states[chosen], (f"the weights are the file's entry {chosen!r}{more}",))


def without_prefixes(state: Mapping[str, Tensor]) -> State:
    """Return the state without the prefixes of wrappers, as long as all names share one.

    `_orig_mod.` is removed wherever it occurs, since only torch.compile writes it.
    """
    plain = {name.replace("_orig_mod.", ""): value for name, value in state.items()}
    while True:
        shared = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in plain)), None)
        if shared is None or not plain:
            return plain
        plain = {name.removeprefix(shared): value for name, value in plain.items()}


def _states(loaded: Any) -> dict[str, State]:
    """Return the state dicts among a mapping's entries; an optimiser's state has no tensors at its top level."""
    if not isinstance(loaded, Mapping):
        return {}
    return {str(name): dict(value) for name, value in loaded.items() if _is_state(value)}


def _tensors(loaded: Any) -> State:
    if not isinstance(loaded, Mapping):
        return {}
    return {name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _about(loaded: Any) -> str:
    if isinstance(loaded, Mapping):
        return f"a dict with {', '.join(str(key) for key in list(loaded)[:6]) or 'nothing'}"
    return f"a {type(loaded).__name__}"
