"""Every training command says how it is used, in its help and in the documentation."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from conftest import ROOT

from training.__main__ import COMMANDS, main
from training.recipe import names


def commands() -> list[tuple[str, click.Command]]:
    """Every command with its whole name, groups opened."""
    context = click.Context(main)
    found = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {}
        found += [(f"{name} {key}", value) for key, value in inner.items()] or [(name, command)]
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_help_has_examples_fits_the_terminal_and_is_documented(name: str, command: click.Command) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert f"python -m training {name}" in result.output.partition("Examples:")[2]
    assert max(map(len, result.output.splitlines())) <= 80
    assert any("--json" in parameter.opts for parameter in command.params)
    assert f"`{name}" in (ROOT / "training" / "README.md").read_text("utf-8")


def test_the_recipes_are_listed_and_in_the_readme() -> None:
    result = CliRunner().invoke(main, ["recipes", "--json"])
    listed = {entry["recipe"].partition(":")[0] for entry in json.loads(result.output)["recipes"]}
    assert listed == set(names())
    readme = (ROOT / "README.md").read_text("utf-8")
    assert not [name for name in listed if f"`{name}" not in readme]


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["train"])
    assert result.exit_code == 2
    assert "No such command" in result.output
