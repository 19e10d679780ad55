"""These tests check that the core needs no TensorFlow, and that commands that do say what to run."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click import Command
from click.testing import CliRunner

from fer_export.cli import env, litert, tf, tfjs
from fer_export.errors import InvalidInputError, MissingDependencyError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.tfenv import environments
from fer_export.tfenv.environments import ENVIRONMENTS, Environment
from fer_export.tfenv.worker import Worker

HEAVY = ("tensorflow", "tf_keras", "tensorflowjs", "onnx2tf", "onnx_tf", "ai_edge_litert")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without environments, and a Python beside which [tf] is not installed."""
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "_installed_here", lambda name: False)
    return tmp_path / "cache"


def call(command: Command, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_every_module_of_the_core_is_imported_without_tensorflow() -> None:
    script = f"""
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise AssertionError(f"{{name}} is imported")

sys.meta_path.insert(0, Refuse())
import fer_export
names = [module.name for module in pkgutil.walk_packages(fer_export.__path__, "fer_export.")]
names = [name for name in names if not name.startswith("fer_export.tfenv.tasks.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 60


@pytest.mark.parametrize("name", ["tf", "onnx-tf"])
def test_tf_names_the_environment_to_make(
    small: Checkpoint, small_onnx: Path, empty_cache: Path, tmp_path: Path, name: str
) -> None:
    checkpoint.save(small, tmp_path / "small.pth")
    more = ("--converter", "onnx-tf", "--ckpt", tmp_path / "small.pth") if name == "onnx-tf" else ()
    code, _, err = call(tf.main, "--from", small_onnx, "-o", tmp_path / "out", *more)
    assert code == 3
    assert f"the environment {name}" in err
    assert f"hint: fer-export env create {name}" in err
    assert not (tmp_path / "out").exists()


def test_from_a_saved_model_that_is_not_there(empty_cache: Path, tmp_path: Path) -> None:
    code, _, err = call(litert.main, "--from", tmp_path / "none")
    assert (code, "fer-export tf writes" in err) == (4, True)
    code, _, err = call(tfjs.main, "--via", "tensorflowjs", "--from", tmp_path / "none")
    assert (code, "fer-export tf writes" in err) == (4, True)


def test_an_environment_of_other_versions_is_not_used(empty_cache: Path) -> None:
    folder = ENVIRONMENTS["tf"].folder
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / "requirements.txt").write_text("tensorflow==1.0")
    with pytest.raises(MissingDependencyError, match="other versions") as error:
        environments.python("tf")
    assert error.value.hint == "fer-export env create tf"


def test_list_and_remove(empty_cache: Path) -> None:
    code, out, _ = call(env.main, "list", "--json")
    assert code == 0
    assert {one["name"]: one["state"] for one in json.loads(out)["environments"]} == {
        "tf": "missing",
        "onnx-tf": "missing",
    }
    ENVIRONMENTS["tf"].folder.mkdir(parents=True)
    assert "outdated" in call(env.main, "list")[1]
    assert json.loads(call(env.main, "remove", "tf", "--json")[1])["removed"] is True
    assert json.loads(call(env.main, "remove", "tf", "--json")[1])["removed"] is False
    assert not ENVIRONMENTS["tf"].folder.exists()


def test_an_environment_that_there_is_not(empty_cache: Path) -> None:
    code, _, err = call(env.main, "create", "jax")
    assert code == 2
    assert "no environment is named 'jax'" in err


def test_no_python_fits(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Environment("tf", "for a Python that nobody has", ("2.6",), ("json",), "nothing")
    monkeypatch.setitem(ENVIRONMENTS, "tf", old)
    with pytest.raises(MissingDependencyError, match=r"needs Python 2\.6") as error:
        environments.create("tf")
    assert "--python" in str(error.value.hint)


Make = Callable[[str], Environment]


@pytest.fixture
def tiny(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """An environment `tf` of no packages, or of the ones given."""

    def make(requirements: str) -> Environment:
        (tmp_path / "tf.txt").write_text(requirements)
        monkeypatch.setattr(environments, "_LISTS", tmp_path)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        monkeypatch.setitem(ENVIRONMENTS, "tf", Environment("tf", "a trial", (version,), ("json",), "20 MB"))
        return ENVIRONMENTS["tf"]

    return make


def wheel(folder: Path, name: str) -> None:
    """A package with nothing in it."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_a_failed_creation_leaves_none_and_the_next_goes_on(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    environment = tiny("first-fer==1.0\nsecond-fer==1.0\n")
    wheel(tmp_path, "first_fer")
    steps: list[str] = []
    with pytest.raises(MissingDependencyError, match=r"could not be made: .*second-fer") as error:
        environments.create("tf", started=steps.append)
    assert "fer-export env create tf" in str(error.value.hint)
    assert environment.state == "missing"
    assert steps[-2:] == ["1 of 2: first-fer==1.0", "2 of 2: second-fer==1.0"]
    wheel(tmp_path, "second_fer")
    steps.clear()
    environments.create("tf", started=steps.append)
    assert steps == ["1 of 1: second-fer==1.0", "trying it"]
    assert environment.state == "ready"
    assert environments.python("tf") == environment.interpreter
    command = [environment.interpreter, "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(environment.folder)
    assert sorted(path.name for path in environment.folder.parent.iterdir()) == [".tf.lock", "tf"]


def test_two_do_not_make_one_at_once(tiny: Make) -> None:
    environment = tiny("")
    with environments._alone(environment), pytest.raises(InvalidInputError, match="another process"):
        environments.create("tf")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """The workers' process on this Python: it has numpy, and that is all the protocol needs."""
    monkeypatch.setattr(environments, "python", lambda name: Path(sys.executable))
    return Worker("tf")


def test_arrays_go_there_and_back(worker: Worker) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    with worker:
        assert np.array_equal(worker.call("numpy.flip", m=values), values[::-1, ::-1])


def test_a_failure_there_is_one_line_here_and_the_process_lives_on(worker: Worker) -> None:
    with worker:
        with pytest.raises(InvalidInputError, match=r"json\.loads: JSONDecodeError: Expecting value"):
            worker.call("json.loads", s="")
        with pytest.raises(MissingDependencyError, match="no_such_module") as error:
            worker.call("no_such_module.run")
        assert "fer-export env create tf --again" in str(error.value.hint)
        assert worker.call("os.getcwd") == str(Path.cwd())


def test_a_process_that_dies_is_told_of(worker: Worker) -> None:
    with worker, pytest.raises(InvalidInputError, match=r"died in the environment tf \(exit 3\)") as error:
        worker.call("os._exit", status=3)
    assert "--again" in str(error.value.hint)


def test_what_a_library_prints_is_no_answer(worker: Worker) -> None:
    with worker:
        assert worker.call("builtins.print", file=None) is None
        assert worker.call("os.system", command="echo noise") == 0


def test_the_extra_and_the_environment_pin_the_same() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert sorted(project["project"]["optional-dependencies"]["tf"]) == sorted(environments.direct_requirements("tf"))


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_every_version_is_pinned_and_what_is_asked_for_is_among_them(name: str) -> None:
    pins = dict(line.split("==") for line in ENVIRONMENTS[name].requirements.splitlines() if not line.startswith("#"))
    pins = {package.lower().replace("_", "-"): version for package, version in pins.items()}
    for line in environments.direct_requirements(name):
        package, _, version = line.replace("<", "==").partition("==")
        assert package.lower().replace("_", "-") in pins
        if "<" not in line and version:
            assert pins[package.lower().replace("_", "-")] == version


def test_unknown_environments_are_refused() -> None:
    with pytest.raises(UsageError):
        environments.get("jax")
