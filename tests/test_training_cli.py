"""These tests check that every training command explains itself, in its help and in the documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from conftest import ROOT

from training.__main__ import COMMANDS, main
from training.cli.optional import EXTRAS, as_missing_dependency
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


# Packages that `make demo` does not install


def hidden(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m training …` in a process whose interpreter cannot find a package."""
    code = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
sys.argv = ["training", *{arguments!r}]
import runpy
runpy.run_module("training", run_name="__main__", alter_sys=True)
"""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("lightning", "train", ("fit", "--recipe", "drawn")),
        ("yaml", "train", ("recipes",)),
        ("torchmetrics", "train", ("evaluate", "--kind", "drawn")),
        ("matplotlib", "train", ("robustness", "--kind", "drawn")),
        ("jinja2", "train", ("card", "--ckpt", "x", "--data", "y", "-o", "z")),
        ("optuna", "train", ("tune", "--recipe", "drawn")),
        ("sqlalchemy", "train", ("tune", "--recipe", "drawn", "-o", "{tmp}/tune")),
        ("selenium", "collect", ("collect", "--url", "https://a.test/{query}", "--query", "x", "-o", "photos")),
        ("pandas", "dev", ("data", "parse-time", "x.csv")),
    ],
)
def test_a_missing_package_is_one_line_that_names_what_to_install(
    package: str, extra: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = hidden(package, *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"error: {package} is not installed: pip install -e '.[{extra}]'\n"


def test_a_missing_package_is_one_document_with_json() -> None:
    done = hidden("optuna", "tune", "--recipe", "drawn", "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert (document["ok"], document["exit_code"]) == (False, 3)
    assert "pip install -e '.[train]'" in document["error"]


def test_a_package_that_lightning_misses_is_named(tmp_path: Path) -> None:
    done = hidden("tensorboard", "fit", "--recipe", "drawn", "--limit", "8", "-o", str(tmp_path / "run"))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "error: tensorboard is not installed: pip install -e '.[train]'"


def test_a_module_of_our_own_that_is_missing_stays_a_fault() -> None:
    assert as_missing_dependency(ModuleNotFoundError("x", name="training.weights")) is None


def test_every_package_of_the_extras_is_known() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    module = {"pyyaml": "yaml"}
    for extra in ("train", "collect"):
        named = {re.split(r"[<>=\[]", one)[0].strip() for one in extras[extra]}
        assert {module.get(name, name) for name in named} == set(EXTRAS[extra])
