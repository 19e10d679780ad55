"""These tests check what `verify` compares with what, where no option says it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from contract_files import CONTRACT1

from fer_export.contract import Calibration
from fer_export.errors import ContractError, InvalidInputError, ParityError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.sources import find_checkpoint
from fer_export.parity.verification import measure_all, verify

Call = Callable[..., tuple[int, str, str]]
CALIBRATION = Calibration(
    temperature=1.5, ece_before=0.1, ece_after=0.05, split="PublicTest", protocol="majority", samples=10
)


@pytest.fixture
def folder(small_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of its user's in build/."""
    (tmp_path / "build").mkdir()
    shutil.copy(small_onnx, tmp_path / "build" / "fer.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(loaded: Checkpoint, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(loaded, path)
    return path


def test_the_checkpoint_is_found_by_its_weights(folder: Path, small: Checkpoint) -> None:
    own = Path("runs/second/best.safetensors")
    saved(small, folder / own)
    # The same weights with another temperature compute something else.
    saved(Checkpoint(small.contract.but(calibration=CALIBRATION), small.state), folder / "runs/first/best.safetensors")
    (folder / "runs" / "a.safetensors").write_bytes(b"broken")
    found = verify(runtimes=["onnxruntime"])
    assert found.ok
    assert found.reference == own
    assert {figure.reference for figure in found.figures} == {"torch"}
    assert found.notes == (f"the checkpoint of these weights is {own}",)
    named = verify("build/fer.onnx")
    assert (named.reference, named.notes) == (own, found.notes)


def test_the_packaged_models_are_looked_through_first() -> None:
    for name in checkpoint.packaged():
        path = checkpoint.named(name)
        assert find_checkpoint(read_contract(path)) == path


def test_without_a_checkpoint_the_onnx_file_is_the_reference(folder: Path) -> None:
    """Nothing is left to run here; with a TF.js folder it is compared, see test_cli."""
    with pytest.raises(UsageError, match="the ONNX file is the reference, and nothing is left") as told:
        verify(runtimes=["onnxruntime"])
    assert "no checkpoint of the weights of build/fer.onnx is packaged or below runs/" in told.value.reason
    assert "--ckpt FILE" in (told.value.hint or "")
    with pytest.raises(ContractError, match=r"nothing to hold build/fer.onnx against") as told_too:
        verify("build/fer.onnx")
    assert "--ckpt FILE" in (told_too.value.hint or "")


def test_the_checkpoint_can_be_named(folder: Path, small: Checkpoint) -> None:
    path = saved(small, folder / "elsewhere" / "mine.pth")
    assert verify(against=path, runtimes=["onnxruntime"]).reference == path
    with pytest.raises(ContractError, match="made from other weights than"):
        verify(against="ferplus", runtimes=["onnxruntime"])
    with pytest.raises(UsageError, match="is no checkpoint"):
        verify(against="build/fer.onnx")


def test_what_is_not_there_is_left_out_unless_it_was_asked_for(folder: Path, small: Checkpoint) -> None:
    saved(small, folder / "runs" / "best.safetensors")
    found = verify()
    assert {figure.runtime for figure in found.figures} == {"onnxruntime"}
    assert "there is no web/model: it is left out" in found.notes
    for arguments in ({"tfjs": "web/modle"}, {"runtimes": ["tfjs-wasm"]}):
        with pytest.raises(InvalidInputError):
            verify(**arguments)  # type: ignore[arg-type]
    (folder / "build" / "fer.onnx").unlink()
    with pytest.raises(InvalidInputError, match=r"no file build/fer\.onnx"):
        verify()


def test_two_that_do_not_belong_together_are_named(folder: Path, cli: Call) -> None:
    shutil.copytree(CONTRACT1 / "tfjs", folder / "web" / "model")
    code, out, err = cli("verify")
    assert (code, out) == (4, "")
    assert err.startswith("error: web/model and build/fer.onnx were made from different weights")
    assert "export" not in err.replace("fer-export verify", "")


def test_a_figure_out_of_tolerance_raises(folder: Path, small: Checkpoint) -> None:
    saved(small, folder / "runs" / "best.safetensors")
    found = measure_all(runtimes=["onnxruntime"], tolerance=1e-12)
    assert not found.ok
    with pytest.raises(ParityError, match="differs from its reference"):
        found.check()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--limit", "3"), "--limit chooses rows of --csv"),
        (("--split", "PublicTest"), "--split chooses rows of --csv"),
        (("build/fer.onnx", "--tfjs", "web/model"), "--tfjs is what is verified without PATHS"),
        (("build/fer.onnx", "--against", "a.onnx", "--ckpt", "b.pth"), "one of them"),
        (("--against", "a.onnx"), "--against wants PATHS"),
        (("--against-runtime", "tfjs-cpu"), "--against-runtime is what runs the file of --against"),
        (("--arch", "net.py:Net"), "--arch names the code of --ckpt"),
    ],
)
def test_an_option_is_obeyed_or_refused(cli: Call, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = cli("verify", *arguments)
    assert (code, out) == (2, "")
    assert says in err
