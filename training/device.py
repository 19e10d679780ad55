"""This module chooses the device that a command computes on, and the precision."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch

from fer_export.errors import MissingDependencyError, UsageError

_CPUINFO = Path("/proc/cpuinfo")


def device_named(name: str = "auto") -> torch.device:
    """Return the device of that name.

    Args:
        name: "auto" for the GPU where there is one, else the CPU; or a name of torch's: "cpu", "cuda", "cuda:1", "mps".

    Raises:
        UsageError: no device has this name.
        MissingDependencyError: torch does not see that device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"no device is called {name}", hint="auto, cpu, cuda, cuda:1, mps") from error
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= there:
        raise MissingDependencyError(f"torch {torch.__version__} sees no device {name} here", hint="--device auto")
    return device


def bfloat16_pays(device: torch.device) -> bool:
    """Return whether bfloat16 is faster than float32 on a device.

    It is on GPUs that compute in it, as NVIDIA's do from Ampere on, and on CPUs that have AMX units for it. With
    AVX-512's bfloat16 instructions alone a training step was measured to be slower than in float32.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and "amx_bf16" in cpu_flags()


def compiles(setting: str, device: torch.device) -> bool:
    """Return whether a net is compiled by `torch.compile` for training.

    Args:
        setting: `never`; `cuda`, on GPUs alone; or `always`.
        device: device that trains.

    A compiled step of `fernet` was measured on a CPU at 443 ms against 377 ms.
    """
    return setting == "always" or (setting == "cuda" and device.type == "cuda")


@cache
def cpu_flags() -> frozenset[str]:
    """Return the flags of the CPU as Linux lists them; an empty set on other systems."""
    try:
        text = _CPUINFO.read_text("utf-8", errors="replace")
    except OSError:
        return frozenset()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return the context for inference: bfloat16 where that is faster, else the net's own precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_pays(device))
