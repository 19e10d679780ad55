"""This module tells what a pickle holds besides weights, without running anything in it."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

#: The number of pickles in a file of PyTorch before 1.6: magic, protocol, system, object, keys.
_LEGACY_PICKLES = 5
#: Classes and functions that `torch.load(weights_only=True)` accepts.
_HARMLESS = (
    *("torch._utils._rebuild", "torch.nn.parameter.Parameter", "collections.OrderedDict", "torch.Size"),
    *("torch.device", "torch.float", "torch.bfloat16", "torch.int"),
)


@dataclass
class _Scan:
    """Hold what a pickle names.

    Attributes:
        foreign: classes and functions beyond those of plain weights, each with the string that came before it.
        strings: all strings in the pickle.
        whole: whether the outermost object is made by the first class that is named.
    """

    foreign: dict[str, str] = field(default_factory=dict)
    strings: set[str] = field(default_factory=set)
    whole: bool = False


def explain(path: Path) -> tuple[str, str]:
    """Say why a file is not opened as a state dict, and give a line of Python that extracts one.

    Args:
        path: a file that `torch.load(weights_only=True)` refused.

    Returns:
        One line each. The file's own code is read but never run.
    """
    source, target = str(path), str(path.with_name(f"{path.stem}_state.pth"))
    if is_torchscript(path):
        line = f"import torch; torch.save(torch.jit.load({source!r}).state_dict(), {target!r})"
        return f"{path} is a TorchScript archive, a program with weights, and not a state dict", _python(line)
    scan = _scan(path)
    opening = "and is not opened: loading it could run code"
    loaded = f"torch.load({source!r}, map_location='cpu', weights_only=False)"
    names = ", ".join(list(scan.foreign)[:3]) or "code"
    if {"_modules", "_parameters"} <= scan.strings and scan.foreign:
        first, key = next(iter(scan.foreign.items()))
        module = loaded if scan.whole else f"{loaded}[{key!r}]"
        line = _python(f"import torch; torch.save({module}.state_dict(), {target!r})")
        return (
            f"{path} holds a whole pickled module ({first}), not a state dict, {opening}",
            f"if you trust it, where {first.rpartition('.')[0]} can be imported: {line}",
        )
    container = next((key for key in ("state_dict", "model_state_dict", "model") if key in scan.strings), None)
    part = f"[{container!r}]" if container else ""
    line = _python(f"import torch; torch.save({loaded}{part}, {target!r})")
    return f"{path} holds more than weights ({names}) {opening}", f"if you trust it, keep the weights alone: {line}"


def is_torchscript(path: Path) -> bool:
    """Return whether `torch.jit.save` wrote the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _python(line: str) -> str:
    return f'python -c "{line}"'


def _scan(path: Path) -> _Scan:
    scan = _Scan()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
                with archive.open(name) as file:
                    _read(file, scan)
        else:
            with path.open("rb") as file:
                for _ in range(_LEGACY_PICKLES):
                    _read(file, scan)
    except (ValueError, OSError, StopIteration, zipfile.BadZipFile):
        # The pickle is damaged; the part that was read is used.
        pass
    return scan


def _read(file: IO[bytes], scan: _Scan) -> None:
    before = ["", ""]
    opened = False
    for name, text in _steps(file):
        if name in ("GLOBAL", "STACK_GLOBAL"):
            found = text.replace(" ", ".") if name == "GLOBAL" else ".".join(before)
            if not found.startswith(_HARMLESS) and not (found.startswith("torch.") and found.endswith("Storage")):
                scan.whole = scan.whole or not (scan.foreign or opened)
                scan.foreign.setdefault(found, before[1])
        elif name.startswith("EMPTY_"):
            opened = True
        if text and name != "GLOBAL":
            before = [before[1], text]
            scan.strings.add(text)


def _steps(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    for opcode, argument, _ in pickletools.genops(file):
        yield opcode.name, argument if isinstance(argument, str) else ""
