"""This module defines the errors of a run that has begun."""

from __future__ import annotations

from fer_export.errors import FerExportError


class DivergedError(FerExportError):
    """This error says that the loss is no longer finite. The run ends at once, and its checkpoints stay as they are."""

    exit_code = 1


class InterruptedRunError(KeyboardInterrupt):
    """This exception says that Ctrl-C stopped a run, and what to run next.

    It is a `KeyboardInterrupt`, so that no code in between handles it as a failure.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
