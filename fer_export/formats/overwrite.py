"""This module decides what an export may replace: an earlier export of the same weights, and the rest by `force`."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from fer_export.contract import KEY
from fer_export.errors import FerExportError, InvalidInputError, UsageError
from fer_export.formats.artefact import Kind, read_contract
from fer_export.formats.saved_model import ASSET

#: Folders that may lie in a model's folder: the page's detector lies in the classifier's.
NEIGHBOURS = ("detector",)


def check_file(path: Path, kind: Kind, weights_sha256: str, *, force: bool = False, option: str = "-o") -> None:
    """Refuse to replace a file that is not an earlier export of the same weights.

    Args:
        path: the file to write; it need not exist.
        kind: the new file's kind.
        weights_sha256: the hash of the weights in the new file's contract.
        force: allow any file to be replaced.
        option: the command line's option for another place, for the error's hint.

    Raises:
        UsageError: the file was not written by this tool, or from other weights.
        InvalidInputError: `path` is a folder.
    """
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder, and a file is to be written there", hint=f"{option} FILE")
    if path.exists() and not force:
        _check_weights(path, kind, weights_sha256, option)


def check_folder(path: Path, kind: Kind, weights_sha256: str, *, force: bool = False, option: str = "-o") -> list[Path]:
    """Refuse to replace files in a folder that are not an earlier export of the same weights.

    The arguments are those of `check_file`; the kind is `tfjs` or `saved_model`.

    Returns:
        The files that an earlier export wrote, relative to the folder; only these are to be replaced.

    Raises:
        UsageError: the folder holds something that this tool did not write, or an export of other weights.
        InvalidInputError: `path` is a file.
    """
    if not path.exists():
        return []
    if not path.is_dir():
        raise InvalidInputError(f"{path} is a file, and a folder is to be written there", hint=f"{option} FOLDER")
    own = [name for name in _files(path, kind) if (path / name).is_file()]
    if force:
        return own
    others = [name for name in _entries(path, own) if name.parts[0] not in NEIGHBOURS]
    if others:
        _refuse(path, f"with {others[0]}, which fer-export did not write", option)
    if own:
        _check_weights(path, kind, weights_sha256, option)
    return own


def check_detector(path: Path, weights: dict[str, str], *, force: bool = False, option: str = "-o") -> list[Path]:
    """Do the same for a folder with a TF.js model for each net of the detector.

    Args:
        weights: the hash of each net's weights, by the name of its folder.
    """
    if path.exists() and not path.is_dir():
        raise InvalidInputError(f"{path} is a file, and a folder is to be written there", hint=f"{option} FOLDER")
    others = [name for name in _entries(path, []) if name.parts[0] not in weights] if path.is_dir() else []
    if others and not force:
        _refuse(path, f"with {others[0]}, which fer-export did not write", option)
    own = []
    for name, sha256 in weights.items():
        own += [Path(name, file) for file in check_folder(path / name, "tfjs", sha256, force=force, option=option)]
    return own


def _check_weights(path: Path, kind: Kind, weights_sha256: str, option: str) -> None:
    try:
        contract = read_contract(path, kind)
    except FerExportError as error:
        _refuse(path, f"which is no artefact that fer-export can read ({error.reason})", option)
    if contract.weights_sha256 != weights_sha256:
        _refuse(
            path,
            f"a {contract.architecture.name} of other weights "
            f"(sha256 {contract.weights_sha256[:12]}…, the new one's are {weights_sha256[:12]}…)",
            option,
        )


def _refuse(path: Path, what: str, option: str) -> NoReturn:
    raise UsageError(
        f"{path} is there already, {what}",
        hint=f"{option} PATH writes somewhere else, --force replaces it (from Python: force=True)",
    )


def _entries(path: Path, own: Collection[Path]) -> list[Path]:
    """Return all files in a folder, relative to it, except those in `own`."""
    found = [each.relative_to(path) for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir()]
    return [name for name in found if name not in own]


def _files(path: Path, kind: Kind) -> list[Path]:
    """Return the files of a model in a folder with one of our contracts, valid or not; without a contract, none."""
    if kind == "saved_model":
        if not (path / ASSET).is_file():
            return []
        variables = [each.relative_to(path) for each in (path / "variables").glob("variables.*")]
        return [Path("saved_model.pb"), Path("fingerprint.pb"), ASSET, *variables]
    try:
        document = json.loads((path / "model.json").read_text("utf-8"))
        if KEY not in document["userDefinedMetadata"]:
            return []
        names = [Path(name) for group in document["weightsManifest"] for name in group["paths"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [Path("model.json"), *(name for name in names if len(name.parts) == 1)]
