"""This module loads weights into a net, whichever wrapper wrote their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from fer_export.errors import InvalidInputError, UsageError
from fer_export.models import guess_architecture
from fer_export.models.state_dict import PREFIXES, State

#: An error lists at most this many keys of each kind.
_LISTED = 3
#: Batch norm's counter is used in training only, and files from before PyTorch 0.4.1 lack it.
_COUNTER = "num_batches_tracked"


def load_matching(
    net: nn.Module, state: Mapping[str, Tensor], *, where: str, name: str, ignore: Sequence[str] = ()
) -> tuple[str, ...]:
    """Load a state dict into a net, all of it or not at all.

    1. `_orig_mod.` is removed from all names, since torch.compile adds it.
    2. If all of the net's names are there under one prefix (`module.`, `model.` …), the tensors under it are
       taken; others (a loss with weights, a metric) are left out with a note.
    3. Otherwise every name and shape has to agree.

    Args:
        net: the net, which is changed.
        state: the state dict as the file holds it.
        where: the file's name, for the error.
        name: the architecture's name, for the error.
        ignore: prefixes; names that start with one after rule 1 are left out.

    Returns:
        A note for each assumption.

    Raises:
        InvalidInputError: names or shapes do not agree; the message lists the first of them.
        UsageError: an `ignore` prefix leaves nothing out.
    """
    wanted = {key: value for key, value in net.state_dict().items() if isinstance(value, Tensor)}
    plain = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
    idle = [prefix for prefix in ignore if not any(key.startswith(prefix) for key in plain)]
    if idle:
        raise UsageError(f"--ignore {idle[0]}: no tensor of {where} has a name that starts so")
    plain = {key: value for key, value in plain.items() if not key.startswith(tuple(ignore))}
    notes = [f"{len(state) - len(plain)} tensors are left out by --ignore"] if len(plain) < len(state) else []
    prefixes = _fitting(wanted, plain)
    if not prefixes:
        raise _misfit(wanted, plain, where, name)
    known = [prefix for prefix in prefixes if prefix in ("", *PREFIXES)]
    if len(prefixes) > 1 and not known:
        listed = " and ".join(prefixes)
        raise InvalidInputError(
            f"{where}: the weights of {name} are there more than once, behind {listed}",
            hint=f"leave some out: --ignore {prefixes[-1]}",
        )
    prefix = (known or prefixes)[0]
    behind, outside = _behind(plain, prefix)
    if prefix:
        notes.append(f"{prefix!r} is taken off the tensors' names")
    if outside:
        notes.append(f"{len(outside)} tensors outside {prefix!r} are left out: {_listed(outside)}")
    net.load_state_dict(behind, strict=False)
    return tuple(notes)


def _fitting(wanted: State, plain: Mapping[str, Tensor]) -> list[str]:
    """Return the prefixes under which the file has exactly the net's tensors, shortest first."""
    first = next((key for key in wanted if not key.endswith(_COUNTER)), "")
    prefixes = sorted((key[: len(key) - len(first)] for key in plain if _ends_in(key, first)), key=len)
    return [prefix for prefix in prefixes if not any(_differences(wanted, _behind(plain, prefix)[0]))]


def _ends_in(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def _behind(plain: Mapping[str, Tensor], prefix: str) -> tuple[State, State]:
    """Return the tensors under a prefix, with the prefix removed from their names, and all others."""
    behind = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
    return behind, {key: value for key, value in plain.items() if not key.startswith(prefix)}


def _differences(wanted: State, found: Mapping[str, Tensor]) -> tuple[State, State, State]:
    """Return the tensors that are missing, unexpected, and of another shape."""
    missing = {key: value for key, value in wanted.items() if key not in found and not key.endswith(_COUNTER)}
    unexpected = {key: value for key, value in found.items() if key not in wanted}
    other = {key: value for key, value in found.items() if key in wanted and value.shape != wanted[key].shape}
    return missing, unexpected, other


def _misfit(wanted: State, plain: State, where: str, name: str) -> InvalidInputError:
    prefix = max(_shared(plain), key=lambda each: sum(key in wanted for key in _behind(plain, each)[0]))
    found = _behind(plain, prefix)[0]
    missing, unexpected, other = _differences(wanted, found)
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(wanted)} tensors are missing ({_listed(missing)})")
    if other:
        shapes = [f"{key}: {list(value.shape)} in the file, {list(wanted[key].shape)} in the net"
                  for key, value in list(other.items())[:_LISTED]]  # fmt: skip
        parts.append(f"{len(other)} have another shape ({'; '.join(shapes)})")
    if unexpected:
        parts.append(f"{len(unexpected)} of the file's are unexpected ({_listed(unexpected)})")
    hint = guess_architecture.suggestion(found)
    if unexpected and not missing and not other:
        hint = f"if the net does without them: --ignore {prefix}{next(iter(unexpected)).partition('.')[0]}"
    elif hint and f"--arch {name}" == hint[-len(f"--arch {name}") :]:
        hint = None
    return InvalidInputError(f"{where} does not fit {name}: {', '.join(parts)}", hint=hint)


def _shared(plain: Mapping[str, Tensor]) -> list[str]:
    """Return the wrappers' prefixes that all names share, from the empty one on."""
    found = [""]
    while True:
        more = next((prefix for prefix in PREFIXES if all(key.startswith(found[-1] + prefix) for key in plain)), None)
        if more is None or not plain:
            return found
        found.append(found[-1] + more)


def _listed(state: Mapping[str, Tensor]) -> str:
    shown = ", ".join(f"{key} {list(value.shape)}" for key, value in list(state.items())[:_LISTED])
    return shown + (" …" if len(state) > _LISTED else "")
