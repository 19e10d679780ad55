"""This module starts `convert_job.py` and records what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_export.errors import InvalidInputError
from fer_export.tfenv import environments

_JOB = Path(__file__).with_name("convert_job.py")


@dataclass(frozen=True)
class Cost:
    """Hold the cost of one conversion.

    Attributes:
        seconds: the time from the start of its process until the model was on disk.
        importing: the part of it before the conversion began.
        cpu, cpu_importing: the same in processor seconds.
        peak: the most resident memory that it held, in bytes.
    """

    seconds: float
    importing: float
    cpu: float
    cpu_importing: float
    peak: int

    def record(self) -> dict[str, float]:
        """Return the cost for JSON."""
        return asdict(self)


def interpreter(route: str) -> Path:
    """Return the Python that `direct` or `official` runs on.

    Raises:
        MissingDependencyError: the environment `tf` is missing.
    """
    return environments.python("tf") if route == "official" else Path(sys.executable)


def warm_up(route: str) -> None:
    """Start a route and import what it needs, so that the files are cached and no route pays for reading the disk."""
    _events({"route": route})


def convert(job: dict[str, Any]) -> tuple[Cost, dict[str, Any]]:
    """Run one conversion.

    Args:
        job: `route`, and its arguments: `model` and `folder`; for `official` also `scratch`, `entries` and `outputs`.

    Returns:
        Its cost, and the last line that it wrote.

    Raises:
        InvalidInputError: the conversion failed.
    """
    events = _events(job)
    imported, written = events["imported"], events["written"]
    cost = Cost(
        seconds=written["at"],
        importing=imported["at"],
        cpu=written["cpu"],
        cpu_importing=imported["cpu"],
        peak=written["peak"],
    )
    return cost, events["ended"]


def _events(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the lines that the process wrote by kind, each with the seconds since its start."""
    events: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        start = time.perf_counter()
        with subprocess.Popen(
            [interpreter(job["route"]), "-I", "-X", "utf8", _JOB, json.dumps(job)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                events[event["event"]] = {**event, "at": time.perf_counter() - start}
        if process.returncode == 0 and "failed" not in events:
            return events
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()] or [f"exit {process.returncode}"]
    raise InvalidInputError(events["failed"]["reason"] if "failed" in events else f"it died: {lines[-1]}")
