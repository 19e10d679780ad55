"""This module defines a group whose commands are imported when they are called, so `--help` does not wait for torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from fer_export.errors import MissingDependencyError


class Lazy(click.Group):
    """Group the commands that are in the modules of a package, each as `main`."""

    package: str = ""
    #: Command → its one-line help.
    table: Mapping[str, str] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the table's order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of this name; None where there is none."""
        if cmd_name not in self.table:
            return None
        module: Any = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}")
        found: click.Command = module.main
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A package that it cannot import ends it with one line and exit code 3."""
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            missing = self.missing(error)
            if missing is None:
                raise
            from fer_export.cli.output import Output, fail

            fail(missing, Output(as_json))

    def missing(self, error: ModuleNotFoundError) -> MissingDependencyError | None:
        """Return the error for a package that is not there; None for a module of our own, which is a bug."""
        if not error.name or error.name.startswith("fer_export"):
            return None
        package = error.name.partition(".")[0]
        return MissingDependencyError(f"{package} is not installed", hint="pip install fer-export")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))


def lazy(where: str, commands: Mapping[str, str]) -> type[Lazy]:
    """Return the group class for the commands in the package `where`."""
    return type("LazyGroup", (Lazy,), {"package": where, "table": commands})
