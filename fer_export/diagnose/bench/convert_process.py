"""Starts `convert_job.py` and takes down what it cost."""

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
    """Of one conversion.

    Attributes:
        seconds: from the start of its process until the model was on disk.
        importing: how many of them went by before the conversion began.
        cpu, cpu_importing: the same in seconds that its threads were computing.
        peak: the most memory that it held, in resident bytes.
    """

    seconds: float
    importing: float
    cpu: float
    cpu_importing: float
    peak: int

    def record(self) -> dict[str, float]:
        """For machines."""
        return asdict(self)


def interpreter(road: str) -> Path:
    """The Python that `direct` or `official` runs on.

    Raises:
        MissingDependencyError: the environment `tf` is not there.
    """
    return environments.python("tf") if road == "official" else Path(sys.executable)


def warm_up(road: str) -> None:
    """Start a road and import what it needs: the files then are in memory, and no road pays for the disk."""
    _events({"road": road})


def convert(job: dict[str, Any]) -> tuple[Cost, dict[str, Any]]:
    """Run one conversion.

    Args:
        job: `road`, and what it takes: `model` and `folder`; for `official` also `scratch`, `entries` and `outputs`.

    Returns:
        Its cost, and what it said at its end.

    Raises:
        InvalidInputError: it failed.
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
    """What the process says, each with the seconds since it was started."""
    events: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        start = time.perf_counter()
        with subprocess.Popen(
            [interpreter(job["road"]), "-I", "-X", "utf8", _JOB, json.dumps(job)],
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
