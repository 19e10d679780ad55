"""This module writes files so that a failed run leaves the last good artefact as it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_export.errors import InvalidInputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside `path`; on success it is renamed over `path`.

    Raises:
        InvalidInputError: the folder cannot be made or written to.
    """
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with _writable(path):
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_directory(path: Path, *, keep: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield an empty temporary directory beside `path`; on success it takes the place of `path`.

    Entries of the old directory that are named in `keep` move over to the new one.

    Raises:
        InvalidInputError: the folder cannot be made, written to, or is a file.
    """
    with _writable(path):
        if path.exists() and not path.is_dir():
            raise InvalidInputError(f"{path} is a file, and a folder is to be written there")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary.chmod(0o755)
    old = temporary.with_name(temporary.name + ".old")
    try:
        yield temporary
        with _writable(path):
            if path.exists():
                for name in keep:
                    if (path / name).exists() and not (temporary / name).exists():
                        (path / name).replace(temporary / name)
                path.replace(old)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInputError(
            f"cannot write {path}: {error.strerror or error}", hint="choose another place with -o"
        ) from error
