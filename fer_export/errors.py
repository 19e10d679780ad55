"""Errors that a user can act on, each with the exit code the command line answers with."""

from __future__ import annotations

import re


class FerExportError(Exception):
    """A failure with a one-line reason and, where there is one, the command that helps next.

    Exit codes: 0 ok, 1 parity or quality, 2 usage, 3 missing dependency, 4 invalid or unsafe input.
    """

    exit_code = 4

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class ParityError(FerExportError):
    """Two runtimes disagree by more than the stated tolerance, or the numbers could not be shown."""

    exit_code = 1


class UsageError(FerExportError):
    """The call itself cannot be carried out as written."""

    exit_code = 2


class MissingDependencyError(FerExportError):
    """Something that has to be installed is not there."""

    exit_code = 3


class InvalidInputError(FerExportError):
    """A file is damaged, unsafe, or not what it says it is; or an output cannot be written."""

    exit_code = 4


class ContractError(InvalidInputError):
    """An artefact carries no contract, a broken one, or one that does not match its graph."""


class UnsupportedOperatorError(InvalidInputError):
    """The graph uses an operator or an attribute value that the converter has no function for."""

    def __init__(self, operator: str, node: str, detail: str) -> None:
        super().__init__(
            f"operator {operator}, node {node!r}: {detail}",
            hint="the operators that are known: fer-export tfjs --operators",
        )
        self.operator = operator
        self.node = node


def first_line(error: BaseException) -> str:
    """What another library's exception says, in one line; its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def reason(error: Exception) -> str:
    """An error in one line: without the name of the worker's task, and with the hint that mends it.

    `run_onnx_tf.convert: BackendIsNotSupposedToImplementIt: …` loses its first part: the road is named beside it.
    """
    if not isinstance(error, FerExportError):
        return f"{type(error).__name__}: {first_line(error)}"
    said = re.sub(r"^run_\w+\.convert: |^(?:infer|saved_model)\.\w+: ", "", " ".join(error.reason.split()))
    return f"{said}: {error.hint}" if isinstance(error, MissingDependencyError) and error.hint else said
