"""These tests check what an export may replace: only its own earlier file of the same weights, unless it is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from contract_files import CONTRACT1

from fer_export.errors import InvalidInputError, UsageError
from fer_export.files import replacing_directory
from fer_export.formats.artefact import Kind, read_contract
from fer_export.formats.overwrite import check_detector, check_file, check_folder

OTHER = "0" * 64
FILES: list[tuple[str, Kind]] = [("tiny.onnx", "onnx"), ("tiny.pb", "frozen"), ("tiny.tflite", "litert")]
FOLDERS: list[tuple[str, Kind]] = [("tfjs", "tfjs"), ("tensorflowjs", "tfjs"), ("saved_model", "saved_model")]


def copied(name: str, folder: Path) -> tuple[Path, str]:
    """Copy a real artefact: its path, and the hash of its weights."""
    for source in (CONTRACT1 / name, CONTRACT1 / f"{name}.contract.json"):
        if source.is_dir():
            shutil.copytree(source, folder / source.name)
        elif source.is_file():
            shutil.copy(source, folder)
    return folder / name, read_contract(folder / name).weights_sha256


def listed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_a_file_of_the_same_weights_may_be_replaced_and_no_other(tmp_path: Path, name: str, kind: Kind) -> None:
    path, weights = copied(name, tmp_path)
    check_file(tmp_path / "nothing", kind, OTHER)
    check_file(path, kind, weights)
    with pytest.raises(UsageError, match="of other weights") as told:
        check_file(path, kind, OTHER)
    assert str(path) in told.value.reason
    assert "--force" in (told.value.hint or "")
    assert "-o" in (told.value.hint or "")
    check_file(path, kind, OTHER, force=True)


@pytest.mark.parametrize("kind", ["onnx", "frozen", "litert"])
def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "thesis"
    path.write_text("years of work")
    with pytest.raises(UsageError, match="no artefact that fer-export can read"):
        check_file(path, kind, OTHER)
    check_file(path, kind, OTHER, force=True)
    # A checkpoint of the same weights is no ONNX file.
    source, weights = copied("tiny.safetensors", tmp_path)
    with pytest.raises(UsageError):
        check_file(source, kind, weights)
    with pytest.raises(InvalidInputError, match="is a folder"):
        check_file(tmp_path, kind, OTHER, force=True)


@pytest.mark.parametrize(("name", "kind"), FOLDERS)
def test_a_folder_of_the_same_weights_may_be_replaced_and_no_other(tmp_path: Path, name: str, kind: Kind) -> None:
    path, weights = copied(name, tmp_path)
    assert check_folder(tmp_path / "nothing", kind, OTHER) == []
    own = {str(each) for each in check_folder(path, kind, weights)}
    assert own == set(listed(path))
    with pytest.raises(UsageError, match="of other weights"):
        check_folder(path, kind, OTHER)
    assert {str(each) for each in check_folder(path, kind, OTHER, force=True)} == own


@pytest.mark.parametrize(("name", "kind"), FOLDERS)
@pytest.mark.parametrize("place", ["notes.txt", "assets/notes.txt", "variables/notes.txt"])
def test_a_folder_with_files_of_somebody_else_is_refused(tmp_path: Path, name: str, kind: Kind, place: str) -> None:
    path, weights = copied(name, tmp_path)
    (path / place).parent.mkdir(exist_ok=True)
    (path / place).write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt, which fer-export did not write"):
        check_folder(path, kind, weights)
    own = check_folder(path, kind, weights, force=True)
    assert Path(place) not in own
    with replacing_directory(path, own=own) as temporary:
        (temporary / "new").write_text("new")
    assert listed(path) == {"new": b"new", place: b"mine"}


def test_the_detector_beside_a_model_stays(tmp_path: Path) -> None:
    path, weights = copied("tfjs", tmp_path)
    (path / "detector" / "pnet").mkdir(parents=True)
    (path / "detector" / "pnet" / "model.json").write_text("{}")
    with replacing_directory(path, own=check_folder(path, "tfjs", weights)) as temporary:
        (temporary / "model.json").write_text("new")
    assert listed(path) == {"model.json": b"new", "detector/pnet/model.json": b"{}"}


def test_a_tfjs_model_of_another_tool_is_not_replaced(tmp_path: Path) -> None:
    path, weights = copied("tfjs", tmp_path)
    (path / "model.json").write_text('{"format": "graph-model", "weightsManifest": []}')
    with pytest.raises(UsageError, match="which fer-export did not write"):
        check_folder(path, "tfjs", weights)


def test_the_detectors_folder(tmp_path: Path) -> None:
    path, weights = copied("tfjs", tmp_path)
    both = {"pnet": weights, "rnet": weights}
    (tmp_path / "detector").mkdir()
    path.rename(tmp_path / "detector" / "pnet")
    own = check_detector(tmp_path / "detector", both)
    assert {str(each) for each in own} == set(listed(tmp_path / "detector"))
    with pytest.raises(UsageError, match="of other weights"):
        check_detector(tmp_path / "detector", {"pnet": OTHER})
    with pytest.raises(UsageError, match="which fer-export did not write"):
        check_detector(tmp_path / "detector", {"onet": weights})
    with pytest.raises(UsageError, match="which fer-export did not write"):
        check_detector(tmp_path, both)


def test_what_fails_half_way_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    """A folder is in the place of the second new file."""
    path = tmp_path / "model"
    (path / "b").mkdir(parents=True)
    for name in ("a", "b/mine", "old"):
        (path / name).write_text("before")
    before = listed(tmp_path)
    with (
        pytest.raises(InvalidInputError, match="cannot write"),
        replacing_directory(path, own=[Path("old")]) as temporary,
    ):
        for name in ("a", "b"):
            (temporary / name).write_text("after")
    assert listed(tmp_path) == before


def test_a_run_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").write_text("before")
    with pytest.raises(ZeroDivisionError), replacing_directory(path, own=[Path("old")]) as temporary:
        (temporary / "new").write_text("after")
        raise ZeroDivisionError
    assert listed(tmp_path) == {"model/old": b"before"}
