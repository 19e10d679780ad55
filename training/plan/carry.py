"""This module gathers what the plan needs on a lent machine that has a GPU, PyTorch, and no network.

That is the pictures, and the few packages that such an image lacks, as wheels for its Python. The project itself
travels as its checkout. All together may not be larger than what such a machine takes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fer_export.errors import InvalidInputError, MissingDependencyError
from training.data.sheets import LABELS_FILE

#: What the plan imports beside torch, torchvision, numpy, pillow, pyyaml, safetensors, and lightning with torchmetrics.
#: Nothing is resolved on the other machine, so what pydantic needs is here too. What rich needs for highlighted code
#: alone (pygments, markdown-it-py) is not.
PACKAGES = (
    *("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions", "rfc8785"),
    *("click", "rich"),
)
#: glibc versions that wheels are named by; pip takes no older one by itself when a platform is given.
_PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)), "manylinux2014_x86_64")
#: How much may travel, in bytes: checkout, pictures and wheels.
LIMIT = 64 * 1024 * 1024
SHEETS, WHEELS = "sheets", "wheels"


@dataclass(frozen=True)
class Carried:
    """Say how much travels, in bytes.

    Attributes:
        checkout: files that git tracks.
        sheets: pictures and labels.
        wheels: packages.
    """

    checkout: int
    sheets: int
    wheels: int

    @property
    def total(self) -> int:
        """Return the sum."""
        return self.checkout + self.sheets + self.wheels


def gather(sheets: Path, folder: Path, python: str = "3.12", packages: Sequence[str] = PACKAGES) -> Carried:
    """Put pictures and wheels into a folder, in place of those that it holds.

    Args:
        sheets: folder of picture sheets, as `training/data/sheets.py` reads it.
        folder: the folder; it should be one that git ignores, in the checkout.
        python: version of the other machine's Python, "3.12".
        packages: names of packages, in the versions that are installed here.

    Raises:
        InvalidInputError: there are no sheets, or all together are above `LIMIT`.
        MissingDependencyError: a wheel could not be had.
    """
    found = sorted([*sheets.glob("*.webp"), *sheets.glob(LABELS_FILE)])
    if not found or found[-1].name != LABELS_FILE:
        raise InvalidInputError(f"{sheets} holds no picture sheets", hint=f"NN.webp and {LABELS_FILE}")
    for name in (SHEETS, WHEELS):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for path in found:
        shutil.copyfile(path, folder / SHEETS / path.name)
    _download([f"{name}=={version(name)}" for name in packages], folder / WHEELS, python)
    carried = Carried(_tracked(), _bytes(folder / SHEETS), _bytes(folder / WHEELS))
    if carried.total > LIMIT:
        raise InvalidInputError(f"{carried.total / 2**20:.1f} MiB would travel, and {LIMIT / 2**20:.0f} are the limit")
    return carried


def command(folder: Path, seconds: int = 520) -> str:
    """Return the command for the other machine, which begins in the checkout; `$OUT` is what comes back."""
    install = "python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target /tmp/site"
    plan = f'python3 -m training gpu-plan {folder / SHEETS} -o "$OUT" --seconds {seconds} --pack'
    return f"{install} {folder / WHEELS}/*.whl && export PYTHONPATH=/tmp/site PYTHONUNBUFFERED=1 && {plan}"


def _download(wanted: Sequence[str], folder: Path, python: str) -> None:
    if not wanted:
        return
    platforms = [option for platform in (*_PLATFORMS, "any") for option in ("--platform", platform)]
    arguments = ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *arguments, "-d", str(folder), *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip failed"]
        raise MissingDependencyError(f"the wheels could not be downloaded: {lines[-1]}", hint="this needs network")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _tracked() -> int:
    """Return the size of the checkout's files; 0 outside one."""
    top = Path(__file__).parents[2]
    done = subprocess.run(["git", "ls-files", "-z"], cwd=top, capture_output=True, check=False)
    files = [top / name for name in done.stdout.decode().split("\0") if name]
    return sum(path.stat().st_size for path in files if path.is_file())
