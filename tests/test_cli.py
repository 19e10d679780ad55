"""These tests check the command line: its output, its exit codes, and that a failed run loses nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from contract_files import CONTRACT1

from fer_export.cli.main import COMMANDS
from fer_export.contract import Conversion
from fer_export.convert.routes import route_of
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.tfjs import load_tfjs
from fer_export.tfgraph.passes import PASSES

Call = Callable[..., tuple[int, str, str]]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the installed command in a process of its own."""
    command = [str(Path(sys.executable).with_name("fer-export")), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False, timeout=300
    )


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def road(small: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the installed command made every conversion, from checkpoint to TF.js."""
    folder = tmp_path_factory.mktemp("road")
    checkpoint.save(small, folder / "best.pth")
    steps = [
        ("onnx", "--ckpt", folder / "best.pth", "-o", folder / "fer.onnx"),
        ("tfjs", "--from", folder / "fer.onnx", "-o", folder / "model"),
    ]
    for step in steps:
        done = run(*step)
        assert done.returncode == 0, done.stderr
        assert "next: fer-export" in done.stdout
        assert "max abs" in done.stdout
    return folder


def verify(road: Path, *more: object, **environment: str) -> subprocess.CompletedProcess[str]:
    places = ("--ckpt", road / "best.pth", "--onnx", road / "fer.onnx", "--tfjs", road / "model")
    return run("verify", *places, *more, **environment)


@pytest.mark.parametrize("columns", ["80", "120"])
def test_verify_prints_every_runtime(road: Path, columns: str) -> None:
    done = verify(road, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    for name in ("onnxruntime", "tfjs-wasm", "tfjs-webgl"):
        assert len(re.findall(rf"^{name} .* ok", done.stdout, re.MULTILINE)) == 2
    for heading in ("max abs", "rmse", "1-cos", "top-1", "worst"):
        assert heading in done.stdout


def test_verify_as_json(road: Path) -> None:
    done = verify(road, "--json")
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert {record["runtime"] for record in document["parity"]} == {"onnxruntime", "tfjs-wasm", "tfjs-webgl"}
    assert all(record["max_abs"] <= 1e-4 and record["worst"] for record in document["parity"])


def test_verify_over_tolerance_exits_1(road: Path) -> None:
    done = verify(road, "--tolerance", "1e-12", "--runtime", "onnxruntime")
    assert done.returncode == 1
    assert "OVER" in done.stdout
    assert "differs from its reference" in done.stderr


def test_verify_on_a_narrow_terminal(road: Path) -> None:
    done = verify(road, "--runtime", "onnxruntime", COLUMNS="50")
    assert max(map(len, done.stdout.splitlines())) <= 50
    assert all(word in done.stdout for word in ("max abs", "rmse", "1-cos", "top-1", "worst"))


def test_verify_refuses_a_checkpoint_of_other_weights(road: Path) -> None:
    done = run("verify", "--ckpt", "ferplus", "--onnx", road / "fer.onnx", "--tfjs", road / "model")
    assert done.returncode == 4
    assert "other weights" in done.stderr


def test_without_a_checkpoint_verify_holds_the_tfjs_folder_against_the_onnx_file(road: Path) -> None:
    done = run("verify", "--onnx", road / "fer.onnx", "--tfjs", road / "model", "--runtime", "tfjs-wasm")
    assert done.returncode == 0, done.stderr
    assert "reference onnxruntime" in done.stdout
    assert f"no checkpoint of the weights of {road / 'model'} is packaged or below runs/" in done.stdout
    assert "--ckpt FILE" in done.stdout


def test_an_export_replaces_its_own_and_nothing_else(road: Path, tmp_path: Path, cli: Call) -> None:
    """The folder holds a model of the same weights, then also a file of somebody else, then other weights."""
    model = tmp_path / "model"
    shutil.copytree(road / "model", model)
    again = ("tfjs", "--from", road / "fer.onnx", "-o", model)
    (model / "notes.txt").write_text("mine")
    one_error(cli(*again), 2, r"notes\.txt, which fer-export did not write")
    before = files(model)
    done = run(*again, "--weights", "float16", "--force")
    assert done.returncode == 0, done.stderr
    after = files(model)
    assert after.keys() == before.keys()
    assert after["notes.txt"] == b"mine"
    assert after["model.json"] != before["model.json"]
    (model / "notes.txt").unlink()
    one_error(cli("tfjs", "--from", CONTRACT1 / "tiny.onnx", "-o", model), 2, "of other weights")
    assert files(model).keys() == before.keys() - {"notes.txt"}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("onnx", "-o"), "fer.onnx"),
        (("litert", "--from", CONTRACT1 / "saved_model", "-o"), "fer.tflite"),
        (("tf", "--from", CONTRACT1 / "tiny.onnx", "-o"), "saved_model"),
        (("tf", "--from", CONTRACT1 / "tiny.onnx", "-o", "new", "--frozen"), "fer.pb"),
        (("tfjs", "--via", "tensorflowjs", "--from", CONTRACT1 / "saved_model", "-o"), "model"),
        (("detector", "--onnx", "new", "-o"), "detector"),
        (("detector", "-o", "new", "--onnx"), "nets"),
    ],
)  # fmt: skip
def test_every_command_asks_before_it_replaces(
    arguments: tuple[object, ...], place: str, cli: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / place
    if path.suffix:
        path.write_text("thesis")
    else:
        path.mkdir()
        (path / "rnet.onnx").write_text("thesis")
    before = files(tmp_path)
    code, out, err = cli(*arguments, place)
    assert (code, out) == (2, "")
    assert str(place) in err
    assert "--force" in err and f"{arguments[-1]} PATH" in err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tf", "--ckpt", "ferplus"), "--ckpt is what --converter onnx-tf needs"),
        (("tfjs", "--operators", "-o", "x"), "-o changes nothing"),
        (("bench", "--runtime", "torch", "--backend", "webgl"), "--backend is of TF.js"),
        (("matrix", "--route", "onnx", "--runtime", "tfjs-cpu"), "tfjs-cpu runs nothing"),
        (("matrix", "-o", ROOT / "README.md"), "is no table of fer-export matrix"),
        (("onnx", "--save", "x.pth"), "--save is for a checkpoint without a contract"),
        (("onnx", "--ckpt", CONTRACT1 / "plain.pth", "--arch", "x.py:X", "--input", "1x8x8", "--bgr"), "--bgr is for"),
    ],
)  # fmt: skip
def test_an_option_is_obeyed_or_refused(
    arguments: tuple[object, ...], says: str, cli: Call, tmp_path: Path, small: Checkpoint
) -> None:
    torch.save(small.state, tmp_path / "plain.pth")
    code, out, err = cli(*(tmp_path / "plain.pth" if str(each).endswith("plain.pth") else each for each in arguments))
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("package", "arguments", "hint"),
    [
        ("onnxruntime", ("onnx", "-o", "new.onnx"), "pip install 'fer-export[cpu]'"),
        ("playwright", ("tfjs", "--from", CONTRACT1 / "tiny.onnx", "-o", "new"), "pip install 'fer-export[browser]'"),
        ("facenet_pytorch", ("detector", "-o", "new", "--onnx", "nets"), "pip install fer-export"),
    ],
)
def test_a_missing_package_is_named_with_the_command(
    package: str, arguments: tuple[object, ...], hint: str, tmp_path: Path
) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from fer_export.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first == f"error: {package} is not installed"
    assert second.startswith(f"hint: {hint}")
    assert not list(tmp_path.iterdir())


def test_a_browser_that_does_not_start_is_a_missing_dependency(tmp_path: Path) -> None:
    place = ("tfjs", "--from", CONTRACT1 / "tiny.onnx", "-o", tmp_path / "new")
    done = run(*place, FER_EXPORT_CHROMIUM=sys.executable)
    assert done.returncode == 3
    assert "does not start as a browser" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_passes_of_the_converter_can_be_left_out(road: Path, tmp_path: Path) -> None:
    """Without the passes the numbers still agree, and the contract says what was left out."""
    off = [word for name in PASSES for word in ("--without", name)]
    done = run("tfjs", "--from", road / "fer.onnx", "-o", tmp_path / "bare", *off, "--json")
    assert done.returncode == 0, done.stderr
    bare, usual = (load_tfjs(folder) for folder in (tmp_path / "bare", road / "model"))
    operators = {node["op"] for node in bare[0]["modelTopology"]["node"]}
    assert "Relu" in operators
    assert "_FusedConv2D" not in operators
    assert route_of(bare[1], "tfjs").passes == set()
    assert route_of(usual[1], "tfjs").passes == set(PASSES)
    assert bare[1].conversion == Conversion(hop="tfjs", converter="direct", without=tuple(PASSES))
    assert usual[1].conversion == Conversion(hop="tfjs", converter="direct")
    refused = run("tfjs", "--via", "tensorflowjs", "--without", "fold_pads")
    assert refused.returncode == 2


def test_no_browser_is_a_missing_dependency_and_writes_nothing(road: Path, tmp_path: Path) -> None:
    done = run("tfjs", "--from", road / "fer.onnx", "-o", tmp_path / "model", FER_EXPORT_CHROMIUM="/no/such/browser")
    assert done.returncode == 3
    assert "no such file" in done.stderr
    assert not list(tmp_path.iterdir())


def test_info_reads_every_format(road: Path, cli: Call) -> None:
    for name in ("best.pth", "fer.onnx", "model"):
        code, out, _ = cli("info", road / name, "--json")
        assert code == 0
        assert json.loads(out)["contract"]["labels"][1] == "happiness"


def test_tables_are_folded_on_a_narrow_terminal(cli: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = cli("info")
    assert max(map(len, out.splitlines())) <= 60
    words = " ".join(out.split())
    assert "labels neutral, happiness, surprise, sadness, anger, disgust, fear, contempt" in words
    assert "outputs probabilities, logits" in words
    _, out, _ = cli("env", "list")
    assert max(map(len, out.splitlines())) <= 60
    assert re.search(r"^tf +\w+", out, re.MULTILINE) and re.search(r"^onnx-tf +\w+", out, re.MULTILINE)


# From here on commands run in this process: their errors come before any browser is opened.


def one_error(result: tuple[int, str, str], code: int, says: str) -> None:
    """The exit code, one line of error that says so, a hint at most, and no traceback."""
    found, out, err = result
    assert (found, out) == (code, "")
    lines = err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert re.search(says, lines[0]), lines[0]
    assert len(lines) <= 2
    assert "Traceback" not in err


def test_missing_checkpoint(cli: Call, tmp_path: Path) -> None:
    one_error(cli("onnx", "--ckpt", tmp_path / "none.pth"), 4, "no checkpoint")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"\x80\x04garbage", b"hello" * 1000])
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_bad_checkpoint(cli: Call, tmp_path: Path, content: bytes, ending: str) -> None:
    bad = tmp_path / f"bad{ending}"
    bad.write_bytes(content)
    one_error(cli("onnx", "--ckpt", bad, "-o", tmp_path / "out" / "fer.onnx"), 4, str(bad))
    assert not (tmp_path / "out").exists()


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_a_checkpoint_with_code_in_it_is_not_run(cli: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "contract": Evil()}, tmp_path / "evil.pth")
    one_error(cli("onnx", "--ckpt", tmp_path / "evil.pth"), 4, "could run code")
    assert not (tmp_path / "executed").exists()


def test_checkpoint_without_contract(cli: Call, tmp_path: Path, small: Checkpoint) -> None:
    torch.save(small.state, tmp_path / "plain.pth")
    one_error(cli("onnx", "--ckpt", tmp_path / "plain.pth"), 4, "carries no contract")


def test_weights_of_another_architecture(cli: Call, tmp_path: Path, small: Checkpoint) -> None:
    architecture = small.contract.architecture.model_copy(
        update={"name": "face_emotion_cnn", "arguments": {"num_classes": 8}}
    )
    checkpoint.save(Checkpoint(small.contract.but(architecture=architecture), small.state), tmp_path / "wrong.pth")
    one_error(cli("onnx", "--ckpt", tmp_path / "wrong.pth"), 4, "do not fit face_emotion_cnn")


def test_unknown_architecture(cli: Call, tmp_path: Path, small: Checkpoint) -> None:
    architecture = small.contract.architecture.model_copy(update={"name": "ferret"})
    checkpoint.save(Checkpoint(small.contract.but(architecture=architecture), small.state), tmp_path / "x.pth")
    one_error(cli("onnx", "--ckpt", tmp_path / "x.pth"), 4, "no architecture is named 'ferret'")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_truncated_onnx(cli: Call, small_copy: Path, tmp_path: Path, keep: float) -> None:
    content = small_copy.read_bytes()
    small_copy.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    one_error(cli("tfjs", "--from", small_copy, "-o", tmp_path / "model"), 4, "truncated|carries no contract")
    assert not (tmp_path / "model").exists()


def test_unwritable_output(cli: Call, tmp_path: Path, small: Checkpoint) -> None:
    checkpoint.save(small, tmp_path / "best.pth")
    (tmp_path / "file").write_text("in the way")
    before = files(tmp_path)
    one_error(cli("onnx", "--ckpt", tmp_path / "best.pth", "-o", tmp_path / "file" / "fer.onnx"), 4, "cannot write")
    assert files(tmp_path) == before


def test_a_failed_run_leaves_the_good_artefact(cli: Call, small_copy: Path, tmp_path: Path, small: Checkpoint) -> None:
    checkpoint.save(small, tmp_path / "best.pth")
    before = files(tmp_path)
    one_error(cli("onnx", "--ckpt", tmp_path / "best.pth", "-o", small_copy, "--opset", "15"), 2, "opset 15")
    assert files(tmp_path) == before


@pytest.mark.parametrize("batch", ["0", "-1", "many"])
def test_bad_batch_is_a_usage_error(cli: Call, batch: str) -> None:
    one_error(cli("onnx", "--batch", batch), 2, "--batch")


def test_usage_errors_of_click_exit_2(cli: Call) -> None:
    assert cli("onnx", "--no-such-option")[0] == 2
    assert cli("no-such-command")[0] == 2


def test_errors_as_json(cli: Call, tmp_path: Path) -> None:
    code, out, err = cli("onnx", "--ckpt", tmp_path / "none.pth", "--json")
    document = json.loads(out)
    assert (code, err) == (4, "")
    assert document["ok"] is False
    assert document["exit_code"] == 4
    assert document["hint"]


def test_unknown_operators_are_named(cli: Call, small_copy: Path, tmp_path: Path) -> None:
    import onnx as onnx_library

    from fer_export.contract import KEY, Contract
    from fer_export.formats.onnx import onnx_sha256 as graph_sha256

    model = onnx_library.load(small_copy)
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type = "RandomUniformLike"
    entry = next(entry for entry in model.metadata_props if entry.key == KEY)
    contract = Contract.from_json(entry.value, where="test").but(graph_sha256=graph_sha256(model))
    entry.value = contract.to_json()
    small_copy.write_bytes(model.SerializeToString())
    one_error(cli("tfjs", "--from", small_copy, "-o", tmp_path / "model"), 4, f"RandomUniformLike, node '{node.name}'")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_examples(cli: Call, name: str) -> None:
    code, out, _ = cli(name, "--help")
    assert code == 0
    assert "Examples:" in out
    assert f"fer-export {name}" in out
    assert "--json" in out
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_examples_are_calls_that_can_be_made(name: str) -> None:
    """Each is parsed by the command itself: options, their values and arguments."""
    from click import Context, Group

    from fer_export.cli.main import main

    command = main.get_command(Context(main), name)
    assert command is not None
    asked = [(command, [name])]
    if isinstance(command, Group):
        asked += [(each, [name, sub]) for sub, each in command.commands.items()]
    found = 0
    for each, words in asked:
        text = (each.help or "").replace("\\\n", " ")
        for line in re.findall(r"^\s*(fer-export .*)$", text, re.MULTILINE):
            example = shlex.split(line)[1:]
            target, rest = (each, example[len(words) :]) if example[: len(words)] == words else (main, example)
            if isinstance(target, Group):
                target, rest = next((one, example[len(other) :]) for one, other in asked[1:] if example[:2] == other)
            target.make_context("fer-export", list(rest))
            found += 1
    assert found


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"fer-export {name}" in (ROOT / "README.md").read_text()
