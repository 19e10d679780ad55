"""This module writes files so that a failed run leaves the last good artefact as it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
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
def replacing_directory(path: Path, *, own: Collection[Path] = ()) -> Iterator[Path]:
    """Yield an empty temporary directory beside `path`; on success its files take their places in `path`.

    Args:
        path: the folder. If it exists, only `own` files and those with the name of a new file are changed.
        own: files in `path`, relative to it, that an earlier run wrote; they are removed when the new ones come.

    Raises:
        InvalidInputError: the folder cannot be made or written to, or is a file.
    """
    with _writable(path):
        if path.exists() and not path.is_dir():
            raise InvalidInputError(f"{path} is a file, and a folder is to be written there")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary.chmod(0o755)
    try:
        yield temporary
        with _writable(path):
            if path.is_dir():
                _exchange(temporary, path, own)
            else:
                temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path, own: Collection[Path]) -> None:
    """Move the files of `new` into `path`, in place of those of the same name and of `own`, or change nothing.

    Files are moved one by one, since others in the folder stay. The old files are deleted at the end.
    """
    found = sorted(new.rglob("*"))
    arriving = [each.relative_to(new) for each in found if not each.is_dir()]
    leaving = [name for name in {*own, *arriving} if (path / name).is_symlink() or (path / name).is_file()]
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    moves = [(path / name, aside / name) for name in leaving] + [(new / name, path / name) for name in arriving]
    moved: list[tuple[Path, Path]] = []
    try:
        for folder in (each.relative_to(new) for each in found if each.is_dir()):
            (path / folder).mkdir(parents=True, exist_ok=True)
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            moved.append((source, target))
    except BaseException:
        for source, target in reversed(moved):
            target.replace(source)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    emptied = {parent for name in leaving for parent in name.parents if parent != Path()}
    for folder in sorted(emptied, key=lambda each: len(each.parts), reverse=True):
        if not any((path / folder).iterdir()):
            (path / folder).rmdir()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInputError(
            f"cannot write {path}: {error.strerror or error}", hint="choose another place with -o"
        ) from error
