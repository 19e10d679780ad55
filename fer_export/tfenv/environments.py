"""This module makes environments for what the core does not install: TensorFlow, and the older one of onnx-tf.

There is one mechanism for both. An environment is a venv under the cache folder, made from a packaged list of
pinned versions. `fer_export/tfenv/tasks` runs in it as a process of its own that reads and writes JSON
(`fer_export.tfenv.worker`). TensorFlow is never imported into a command's own process, even
where that would work: onnx-tf's versions conflict with the core's, a crash in native code becomes
an error message, and there is only one path to test.

Where the extra `[tf]` is installed beside the core, in exactly the versions that it pins, the process
runs on this Python and no environment is needed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fer_export.data.fer2013 import cache_folder
from fer_export.errors import InvalidInputError, MissingDependencyError, UsageError

_LISTS = Path(__file__).parent


@dataclass(frozen=True)
class Environment:
    """Describe an environment that can be made.

    Attributes:
        purpose: what it is for, in a few words.
        pythons: the Python versions for which all of its packages have wheels.
        imports: the modules that have to be importable before it counts as made.
        size: its size on disk.
    """

    name: str
    purpose: str
    pythons: tuple[str, ...]
    imports: tuple[str, ...]
    size: str

    @property
    def requirements(self) -> str:
        """Return the pip requirements file: every package with its version, dependencies included."""
        return (_LISTS / f"{self.name}.txt").read_text("utf-8")

    @property
    def folder(self) -> Path:
        """Return the folder where it is or will be."""
        return cache_folder() / "environments" / self.name

    @property
    def interpreter(self) -> Path:
        """Return the path of its Python."""
        return self.folder / "bin" / "python"

    @property
    def state(self) -> str:
        """Return `ready`, `outdated` (made from other versions, or its Python is gone) or `missing`."""
        if not self.folder.is_dir():
            return "missing"
        made_from = self.folder / "requirements.txt"
        same = made_from.is_file() and made_from.read_text("utf-8") == self.requirements
        return "ready" if same and self.interpreter.exists() else "outdated"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment(
            "tf",
            "TensorFlow 2.19, onnx2tf, tensorflowjs, LiteRT",
            ("3.11", "3.12"),
            ("tensorflow", "onnx2tf", "tensorflowjs", "ai_edge_litert.interpreter"),
            "3 GB",
        ),
        Environment("onnx-tf", "onnx-tf 1.10 on TensorFlow 2.15", ("3.11", "3.10"), ("onnx_tf.backend",), "1.4 GB"),
    )
}


def get(name: str) -> Environment:
    """Return an environment by name.

    Raises:
        UsageError: no environment has this name.
    """
    if name not in ENVIRONMENTS:
        raise UsageError(f"no environment is named {name!r}", hint=f"there is: {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[name]


def python(name: str) -> Path:
    """Return the Python that runs an environment's processes.

    Raises:
        MissingDependencyError: the environment is missing, or was made from other versions.
    """
    environment = get(name)
    state = environment.state
    if state == "ready":
        return environment.interpreter
    if _installed_here(name):
        return Path(sys.executable)
    reason = "is not there" if state == "missing" else "was made from other versions than this release pins"
    raise MissingDependencyError(
        f"the environment {name} ({environment.purpose}) {reason}", hint=f"fer-export env create {name}"
    )


def create(
    name: str, *, base: Path | None = None, again: bool = False, started: Callable[[str], object] = lambda step: None
) -> Environment:
    """Make an environment, unless it is ready already.

    It is made under another name, tested, and renamed. An interrupted run leaves that folder,
    and the next run continues in it.

    Args:
        base: the Python to make it with; None takes this one, or one on PATH of a version that fits.
        again: make it anew even if it is ready; the old one stays until then.
        started: called with a description of each step.

    Raises:
        UsageError: `base` does not exist.
        MissingDependencyError: no Python fits, or pip cannot install the packages.
        InvalidInputError: the cache folder cannot be written, or another process is making the environment.
    """
    environment = get(name)
    if environment.state == "ready" and not again:
        return environment
    if base and not base.is_file():
        raise UsageError(f"no Python {base}")
    partial = environment.folder.with_name(f".{name}.partial")
    with _alone(environment):
        interpreter = partial / "bin" / "python"
        if not interpreter.exists():
            shutil.rmtree(partial, ignore_errors=True)
            chosen = base or _base(environment)
            started(f"making a venv with {chosen}")
            _run([chosen, "-m", "venv", partial], environment)
        (partial / "requirements.txt").write_text(environment.requirements, "utf-8")
        _install(interpreter, environment, started)
        started("trying it")
        _run([interpreter, "-I", "-c", f"import {', '.join(environment.imports)}"], environment)
        old = environment.folder.with_name(f".{name}.old")
        if environment.folder.exists():
            environment.folder.replace(old)
        # Scripts in bin/ keep the old path in their first line, which is no harm: only the Python is called.
        partial.replace(environment.folder)
        shutil.rmtree(old, ignore_errors=True)
    return environment


def remove(name: str) -> bool:
    """Remove an environment and what an interrupted run left of it; return whether there was any."""
    environment = get(name)
    places = (environment.folder, environment.folder.with_name(f".{name}.partial"))
    found = [place for place in places if place.is_dir()]
    for place in found:
        shutil.rmtree(place)
    return bool(found)


def direct_requirements(name: str) -> list[str]:
    """Return the packages that are asked for by name, without their dependencies: `tensorflow==2.19.0`, …"""
    return _lines((_LISTS / f"{name}.in").read_text("utf-8"))


def _installed_here(name: str) -> bool:
    try:
        for line in direct_requirements(name):
            package, _, version = line.replace("<", "==").partition("==")
            found = metadata.version(package)
            if "<" not in line and version and found != version:
                return False
    except metadata.PackageNotFoundError:
        return False
    return True


def _install(interpreter: Path, environment: Environment, started: Callable[[str], object]) -> None:
    """Install one package after the other, so that an interrupted run loses only one download."""
    pip: list[Path | str] = [interpreter, "-m", "pip", "--disable-pip-version-check"]
    there = _run([*pip, "freeze", "--all"], environment)
    missing = [line for line in _lines(environment.requirements) if line not in there]
    for count, line in enumerate(missing, 1):
        started(f"{count} of {len(missing)}: {line}")
        # The list is complete, so pip does not have to resolve dependencies.
        _run([*pip, "install", "--quiet", "--no-deps", "--no-input", "--progress-bar", "off", line], environment)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _base(environment: Environment) -> Path:
    if f"{sys.version_info.major}.{sys.version_info.minor}" in environment.pythons:
        return Path(sys.executable)
    found = [path for path in map(shutil.which, (f"python{version}" for version in environment.pythons)) if path]
    if not found:
        raise MissingDependencyError(
            f"the environment {environment.name} needs Python {' or '.join(environment.pythons)}, and none is on PATH",
            hint=f"fer-export env create {environment.name} --python /path/to/python{environment.pythons[0]}",
        )
    return Path(found[0])


@contextmanager
def _alone(environment: Environment) -> Iterator[None]:
    import fcntl

    place = environment.folder.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        with (place / f".{environment.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidInputError(f"another process is making the environment {environment.name}") from error
            yield
    except OSError as error:
        raise InvalidInputError(
            f"cannot write {error.filename or place}: {error.strerror or error}",
            hint="set FER_EXPORT_CACHE to a folder that can be written",
        ) from error


def _run(command: Sequence[Path | str], environment: Environment) -> list[str]:
    """Run a command and return the lines that it prints; the last one goes into the error."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode:
        wrong = [line for line in lines if "error" in line.lower()] or lines or [f"exit {done.returncode}"]
        raise MissingDependencyError(
            f"the environment {environment.name} could not be made: {wrong[-1]}",
            hint=f"run it again, it goes on where it was: fer-export env create {environment.name}",
        )
    return lines
