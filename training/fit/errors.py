"""Errors of a run that has begun."""

from __future__ import annotations

from fer_export.errors import FerExportError


class DivergedError(FerExportError):
    """The loss is no longer a number: the run ends at once, its checkpoints stay as they are."""

    exit_code = 1


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C, with what to run next.

    A `KeyboardInterrupt`, so that nothing on the way takes it for a failure that it may handle.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
