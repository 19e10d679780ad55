"""This module runs a process in an environment, and exchanges one line of JSON for each call."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from fer_export.errors import InvalidInputError, MissingDependencyError
from fer_export.tfenv import environments
from fer_export.tfenv.tasks.__main__ import decoded, encoded

_WORKERS = Path(environments.__file__).parent / "tasks"
_SETTINGS = {
    # With oneDNN, grappler writes operators that TF.js cannot run (_FusedHardSwish), and the results would
    # depend on the processor.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # Parity is measured on the CPU.
    "CUDA_VISIBLE_DEVICES": "-1",
}


class Worker:
    """Hold one process, with what it has loaded. Use it in a `with` statement; it starts with the first call.

    Args:
        name: the environment's name.

    Raises:
        MissingDependencyError: the environment is missing; raised with the first call.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            # The process holds nothing that could be lost, and TensorFlow is slow to exit by itself.
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if self._log is not None:
            self._log.close()

    def call(self, task: str, **arguments: Any) -> Any:
        """Call a function of `fer_export/tfenv/tasks` in the process, and return its result.

        Args:
            task: `module.function` in that folder.
            arguments: the function's arguments: JSON's own types, numpy arrays and paths.

        Raises:
            InvalidInputError: the function raised, or the process died; the message gives the reason.
            MissingDependencyError: the environment lacks something.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"task": task, "arguments": arguments}, default=encoded) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = process.wait()
            raise InvalidInputError(
                f"{task} died in the environment {self.name} (exit {code}): {self._last_words()}",
                hint=f"is memory short? Or make it anew: fer-export env create {self.name} --again",
            )
        reply = json.loads(line, object_hook=decoded)
        if reply["ok"]:
            return reply["answer"]
        reason = _reason(reply["error"] or reply["type"])
        if reply["type"] in ("ImportError", "ModuleNotFoundError"):
            raise MissingDependencyError(
                f"the environment {self.name} is broken: {reason}", hint=f"fer-export env create {self.name} --again"
            )
        raise InvalidInputError(f"{task}: {reply['type']}: {reason}")

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            interpreter = environments.python(self.name)
            self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
            # -I keeps out PYTHONPATH and the user's own site-packages.
            self._process = subprocess.Popen(
                [str(interpreter), "-I", "-X", "utf8", str(_WORKERS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                env={**os.environ, **_SETTINGS},
            )
        return self._process

    def _last_words(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else "it said nothing"


def _reason(text: str) -> str:
    """Return the line of an exception's message that gives the reason: TensorFlow's begin with a heading."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines[0].endswith(":") else lines[0]
