"""Weights into a net, whatever wrapper wrote their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from fer_export.errors import InvalidInputError
from fer_export.models import guess_architecture
from fer_export.models.state_dict import PREFIXES, State

#: How many keys an error lists of each kind.
_LISTED = 3
#: It counts batches in training and changes nothing after it; files of before PyTorch 0.4.1 lack it.
_COUNTER = "num_batches_tracked"


def fit(
    net: nn.Module, state: Mapping[str, Tensor], *, where: str, name: str, ignore: Sequence[str] = ()
) -> tuple[str, ...]:
    """Load a state dict into a net, all of it or not at all.

    1. `_orig_mod.` goes from all names: torch.compile put it there.
    2. If the net's names are all there behind one prefix (`module.`, `model.` …), what lies behind it is
       taken; names outside it (a loss with weights, a metric) are left out and said.
    3. Otherwise every name and shape has to agree.

    Args:
        net: is changed.
        state: as in the file.
        where: the file, for the error.
        name: of the architecture, for the error.
        ignore: names that start so, after rule 1, are left out.

    Returns:
        What was assumed, for people.

    Raises:
        InvalidInputError: names or shapes do not agree; it lists the first of them.
    """
    wanted = {key: value for key, value in net.state_dict().items() if isinstance(value, Tensor)}
    plain = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
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
    """The prefixes behind which all the net's tensors lie, and nothing else; shortest first."""
    first = next((key for key in wanted if not key.endswith(_COUNTER)), "")
    prefixes = sorted((key[: len(key) - len(first)] for key in plain if _ends_in(key, first)), key=len)
    return [prefix for prefix in prefixes if not any(_differences(wanted, _behind(plain, prefix)[0]))]


def _ends_in(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def _behind(plain: Mapping[str, Tensor], prefix: str) -> tuple[State, State]:
    """What lies behind a prefix, under the names after it, and the rest."""
    behind = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
    return behind, {key: value for key, value in plain.items() if not key.startswith(prefix)}


def _differences(wanted: State, found: Mapping[str, Tensor]) -> tuple[State, State, State]:
    """Missing, unexpected, and of another shape."""
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
    """The prefixes of wrappers that all names have, none first."""
    found = [""]
    while True:
        more = next((prefix for prefix in PREFIXES if all(key.startswith(found[-1] + prefix) for key in plain)), None)
        if more is None or not plain:
            return found
        found.append(found[-1] + more)


def _listed(state: Mapping[str, Tensor]) -> str:
    shown = ", ".join(f"{key} {list(value.shape)}" for key, value in list(state.items())[:_LISTED])
    return shown + (" …" if len(state) > _LISTED else "")
