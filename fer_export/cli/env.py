"""This module holds the commands `fer-export env …`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError

NAME = click.argument("name")


@click.group("env")
def main() -> None:
    """Manage the separate Python environments for TensorFlow and for onnx-tf.

    The commands tf, litert and tfjs --via tensorflowjs run TensorFlow there, so that this environment
    stays small. They are in the cache folder ($FER_EXPORT_CACHE). Each subcommand takes --json.

    \b
    Examples:
      fer-export env create tf
      fer-export env list
      fer-export env remove onnx-tf
    """


@main.command("list")
@command
def list_(output: Output) -> None:
    """List the environments, and whether they are ready.

    \b
    Examples:
      fer-export env list
    """
    from fer_export.tfenv.environments import ENVIRONMENTS

    records = [
        {"name": one.name, "state": one.state, "folder": str(one.folder), "size": one.size, "purpose": one.purpose}
        for one in ENVIRONMENTS.values()
    ]
    output.add(environments=records)
    rows = [
        (record["name"], record["state"], f"{record['purpose']} ({record['size']})\n{record['folder']}")
        for record in records
    ]
    output.table(rows, ("name", "state", "purpose (size) and folder"))


@main.command("create")
@NAME
@click.option("--python", "base", type=options.FilePath, help="The Python to make it with.")
@click.option("--again", is_flag=True, help="Make it anew where it is there.")
@command
def create(output: Output, name: str, base: Path | None, again: bool) -> None:
    """Create an environment from its list of pinned versions. One that is ready is left as it is.

    A run that was interrupted goes on where it was.

    \b
    Examples:
      fer-export env create tf
      fer-export env create onnx-tf --python /usr/bin/python3.11
    """
    from fer_export.tfenv import environments

    if base is not None and not again and environments.get(name).state == "ready":
        raise UsageError(f"{name} is there and ready, so --python changes nothing", hint="--again makes it anew")
    with output.working("looking") as say:
        # On a terminal the messages replace each other in one line; elsewhere they are a log.
        made = environments.create(name, base=base, again=again, started=say if sys.stderr.isatty() else _log)
    output.add(name=name, folder=str(made.folder), python=str(made.interpreter))
    output.text(f"{name}: {made.purpose}, in {made.folder}")


@main.command("remove")
@NAME
@command
def remove(output: Output, name: str) -> None:
    """Remove an environment.

    \b
    Examples:
      fer-export env remove onnx-tf
    """
    from fer_export.tfenv import environments

    found = environments.remove(name)
    output.add(name=name, removed=found)
    output.text(f"{name}: {'removed' if found else 'there was none'}")


def _log(line: str) -> None:
    click.echo(line, err=True)
