"""This module is the command line of `python -m training`; see `--help`."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any, NoReturn

import click

from fer_export.cli.lazy import lazy
from fer_export.errors import MissingDependencyError
from training.cli.optional import as_missing_dependency

#: Command → its one-line help.
COMMANDS = {
    "data": "Look at labelled pictures before they are trusted.",
    "collect": "Gather pictures from a result page, with their sources.",
    "prepare": "Find, align and crop the faces of a folder of photos.",
    "fit": "Train by a recipe.",
    "tune": "Search a recipe's settings with Optuna.",
    "widen": "Make a wider net that starts where a narrow one ended.",
    "shorten": "Take blocks out of a net, as the start of a cheaper one.",
    "distil": "Let teachers answer for stored views, for a student to learn from.",
    "average": "Average the weights of runs that set out from the same ones.",
    "evaluate": "Measure a checkpoint and write its report.",
    "calibrate": "Fit a temperature, so that the confidence means something.",
    "robustness": "Measure what changed light, blur, noise and geometry cost.",
    "deployment": "Measure what detection and the page's crop cost.",
    "card": "Measure models and write their card.",
    "recipes": "List the recipes.",
    "gpu-plan": "Train teachers, then students, in a fixed time on one GPU.",
    "gpu-carry": "Gather what the plan needs on a machine without network.",
}


_INTERRUPTED = 130
#: Old name of a command → its present one. Not listed; to be removed after the next release.
ALIASES = {"reinforce": "distil"}


class Commands(lazy("training.cli", COMMANDS)):  # type: ignore[misc]
    """This group finds the commands, under their old names too, and turns a missing package into one error line."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name."""
        found: click.Command | None = super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Ctrl-C ends it with what to do to go on."""
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _stopped(stop, as_json)

    def missing(self, error: ModuleNotFoundError) -> MissingDependencyError | None:
        """Return the error that names the extra with a package that is not there."""
        return as_missing_dependency(error)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train face-emotion nets into checkpoints that carry their contract.

    \b
    From data to ONNX:
      python -m training data inspect ../shared/data    counts, copies, conflicts
      python -m training fit --recipe fernet --data ../shared/data
      python -m training evaluate --ckpt runs/fernet/best.safetensors \\
          --data ../shared/data
      fer-export onnx --ckpt runs/fernet/best.safetensors

    \b
    Exit codes: 0 ok, 1 parity or quality, 2 usage, 3 missing dependency,
    4 invalid or unsafe input, 130 interrupted.
    """


def _stopped(stop: KeyboardInterrupt, as_json: bool) -> NoReturn:
    """Say what Ctrl-C has stopped and how to go on, and exit as shells expect it, with 128 + SIGINT."""
    reason, hint = getattr(stop, "reason", "stopped"), getattr(stop, "hint", None)
    if as_json:
        record = {"ok": False, "interrupted": True, "error": reason, "hint": hint, "exit_code": _INTERRUPTED}
        click.echo(json.dumps(record, indent=1))
    else:
        click.echo(f"{reason}; to go on: {hint}" if hint else reason, err=True)
    sys.exit(_INTERRUPTED)


def _plainly(message: Warning | str, *_: object, **__: object) -> str:
    """Format a warning as one line without file and line number, for the person who calls the command."""
    return f"warning: {message}\n"


if __name__ == "__main__":
    warnings.formatwarning = _plainly
    main(prog_name="python -m training")
