"""This module holds the fixtures for TensorFlow's environments, which `make test-tf` creates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_export.data.fer2013 import cache_folder
from fer_export.tfenv.environments import ENVIRONMENTS
from fer_export.tfenv.worker import Worker

#: Before the tests get a cache of their own.
MADE = {name: environment.folder for name, environment in ENVIRONMENTS.items() if environment.state == "ready"}


@pytest.fixture(scope="session", autouse=True)
def _environments(_cache: None) -> None:
    """The user's environments in the tests' own cache: they are read only."""
    place = cache_folder() / "environments"
    place.mkdir(parents=True, exist_ok=True)
    for name, folder in MADE.items():
        (place / name).symlink_to(folder)


def needed(name: str) -> None:
    """Skip where an environment is not there."""
    if name not in MADE:
        pytest.skip(f"the environment {name} is not there: fer-export env create {name}")


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """TensorFlow 2.19, started once for all tests."""
    needed("tf")
    with Worker("tf") as running:
        yield running


@pytest.fixture(scope="session")
def older() -> Iterator[Worker]:
    """onnx-tf on TensorFlow 2.15."""
    needed("onnx-tf")
    with Worker("onnx-tf") as running:
        yield running


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {os.path.relpath(path, folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
