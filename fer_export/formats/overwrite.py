"""What may be replaced: an earlier export of the same weights. For all else somebody has to say so."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from fer_export.contract import KEY
from fer_export.errors import FerExportError, InvalidInputError, UsageError
from fer_export.formats.artefact import Kind, read_contract
from fer_export.formats.saved_model import ASSET

#: Folders beside a model of their own: the page's detector lies in the classifier's folder.
NEIGHBOURS = ("detector",)


def check_file(path: Path, kind: Kind, weights_sha256: str, *, force: bool = False, option: str = "-o") -> None:
    """Refuse to replace a file that is no earlier export of the same weights.

    Args:
        path: where a file of this kind is to be written; nothing needs to be there.
        kind: of the new file.
        weights_sha256: of the new file's contract.
        force: replace it whatever it is.
        option: of the command line, to choose another place.

    Raises:
        UsageError: it was not written by this tool, or from other weights.
        InvalidInputError: it is a folder.
    """
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder, and a file is to be written there", hint=f"{option} FILE")
    if path.exists() and not force:
        _check_weights(path, kind, weights_sha256, option)


def check_folder(path: Path, kind: Kind, weights_sha256: str, *, force: bool = False, option: str = "-o") -> list[Path]:
    """Refuse to replace a folder's files that are no earlier export of the same weights.

    Args: as for `check_file`; the kind is `tfjs` or `saved_model`.

    Returns:
        The files there, relative to the folder, that an earlier export wrote: those are to be replaced, and no others.

    Raises:
        UsageError: there is something that this tool did not write, or an export of other weights.
        InvalidInputError: it is a file.
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
    """All that is in a folder, relative to it, but for `own` files and the folders that hold nothing else."""
    found = [each.relative_to(path) for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir()]
    return [name for name in found if name not in own]


def _files(path: Path, kind: Kind) -> list[Path]:
    """The files of a model in a folder that has our contract, whether or not that holds; none where it has not."""
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
