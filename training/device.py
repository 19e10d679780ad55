"""This module chooses the device that a command computes on, and the precision."""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch
from torch import nn

from fer_export.errors import MissingDependencyError, UsageError

_CPUINFO = Path("/proc/cpuinfo")
#: How often a step is timed in each precision; the first is not counted.
_TRIES = 6


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

    It is on GPUs that compute in it, as NVIDIA's do from Ampere on, and on CPUs that have AMX units for it. CPUs that
    have AVX-512's bfloat16 instructions alone differ: a training step of `fernet` took 1.08 times as long as in float32
    on one, and 0.46 times on another (AMD EPYC, Zen 4). There both are timed, once.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    return "amx_bf16" in cpu_flags() or ("avx512_bf16" in cpu_flags() and _is_faster_in_bfloat16())


@cache
def _is_faster_in_bfloat16() -> bool:
    """Return whether a training step of a 3×3 convolution, as `fernet` has them, is faster in bfloat16 on this CPU."""

    def step(low: bool) -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            layer(pictures).float().sum().backward()
        return time.perf_counter() - start

    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        layer = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
        pictures = torch.rand(32, 64, 12, 12).contiguous(memory_format=torch.channels_last)
        times = [(step(low=False), step(low=True)) for _ in range(_TRIES)][1:]
    return min(low for _, low in times) < min(full for full, _ in times)


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
