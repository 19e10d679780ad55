"""Define the errors that a user can act on, each with the exit code of the command line."""

from __future__ import annotations

import re


class FerExportError(Exception):
    """Report a failure in one line and, where there is one, name the command that helps next.

    Exit codes: 0 ok, 1 parity or quality, 2 usage, 3 missing dependency, 4 invalid or unsafe input.
    """

    exit_code = 4

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class ParityError(FerExportError):
    """Report that two runtimes differ by more than the tolerance, or that they could not be compared."""

    exit_code = 1


class UsageError(FerExportError):
    """Report a call that cannot be carried out as it is written."""

    exit_code = 2


class MissingDependencyError(FerExportError):
    """Report that something which has to be installed is missing."""

    exit_code = 3


class InvalidInputError(FerExportError):
    """Report a file that is damaged, unsafe or not what it claims to be, or an output that cannot be written."""

    exit_code = 4


class ContractError(InvalidInputError):
    """Report an artefact with no contract, a broken contract, or one that does not match its graph."""


class UnsupportedOperatorError(InvalidInputError):
    """Report an operator, or a value of an attribute, that the converter has no function for."""

    def __init__(self, operator: str, node: str, detail: str) -> None:
        super().__init__(
            f"operator {operator}, node {node!r}: {detail}",
            hint="the operators that are known: fer-export tfjs --operators",
        )
        self.operator = operator
        self.node = node


def first_line(error: BaseException) -> str:
    """Return the first line of another library's message, or the exception's type where the message is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def reason(error: Exception) -> str:
    """Return an error in one line, without the name of the worker's task; a missing dependency keeps its hint.

    `run_onnx_tf.convert: BackendIsNotSupposedToImplementIt: …` loses its first part, because the table that shows the
    line names the route already.
    """
    if not isinstance(error, FerExportError):
        return f"{type(error).__name__}: {first_line(error)}"
    said = re.sub(r"^run_\w+\.convert: |^(?:infer|saved_model)\.\w+: ", "", " ".join(error.reason.split()))
    return f"{said}: {error.hint}" if isinstance(error, MissingDependencyError) and error.hint else said
