"""These tests check the matrix: measured numbers, refusals that were really raised, and runs that are continued."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

from fer_export import models
from fer_export.cli import matrix as command
from fer_export.cli.output import table
from fer_export.contract import Contract
from fer_export.convert import onnx, tfjs
from fer_export.convert.routes import ROUTES
from fer_export.diagnose.matrix import cells, nets, show
from fer_export.diagnose.matrix.cells import Cell, Kept
from fer_export.diagnose.matrix.fill import fill_cells
from fer_export.errors import InvalidInputError, MissingDependencyError, UsageError, reason
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.models.building import build_architecture
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Inputs, Outputs, registry
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.registry import names
from fer_export.runtimes.tfjs import Browser, _opener
from fer_export.runtimes.torch import TorchRuntime
from fer_export.tfenv import environments
from fer_export.tfgraph.registry import TABLE

WEIGHTS = "0" * 64


class Wrong(OnnxRuntime):
    """Run onnxruntime, and add a small error to its outputs."""

    def __call__(self, inputs: Inputs) -> Outputs:
        return {name: values + np.float32(0.01) for name, values in super().__call__(inputs).items()}


@pytest.fixture(autouse=True)
def _no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the extra [tf]; there is no environment either, since the tests' cache is empty."""
    monkeypatch.setattr(environments, "_installed_here", lambda name: False)


def call(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


# ---- models by name


@pytest.mark.parametrize(
    "name", ["fernet", "simple_cnn", "face_emotion_cnn_attention", "torchvision:mobilenet_v3_small"]
)
def test_answers_depend_on_the_picture(name: str) -> None:
    """Plain random weights would make deep nets answer the same for every picture, so nothing could be measured."""

    def spread(loaded: Checkpoint) -> float:
        inputs = samples_for(loaded.contract)[0].inputs
        return float(TorchRuntime(loaded.module(), loaded.contract)(inputs)["logits"].std(0).mean())

    loaded = nets.named(name, small=True)
    torch.manual_seed(0)
    fresh = build_architecture(loaded.contract.architecture, loaded.contract.inputs[0].channels).state_dict()
    assert spread(loaded) > 0.3
    assert spread(Checkpoint(loaded.contract, fresh)) < 0.05 < spread(loaded)


def test_random_weights_are_the_same_each_time() -> None:
    before = torch.random.get_rng_state()
    first, second = nets.named("fernet", small=True), nets.named("fernet", small=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.contract.weights_sha256 == second.contract.weights_sha256
    assert first.contract.weights_sha256 == checkpoint.weights_sha256(first.state)
    assert first.contract.weights_sha256 != nets.named("fernet").contract.weights_sha256


def test_random_weights_do_not_depend_on_the_threads() -> None:
    """A sum over 13 pictures in two parts rounds differently, and kept cells would then not be found again."""
    before = torch.get_num_threads()
    try:
        hashes = set()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            hashes.add(nets.named("emotion_cnn").contract.weights_sha256)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(hashes) == 1


def test_a_model_is_named_in_four_ways(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "small.pth")
    assert nets.described(nets.named("ferplus")) == "1×48×48"
    assert nets.named(str(tmp_path / "small.pth")).contract.weights_sha256 == small.contract.weights_sha256
    assert nets.described(nets.named("torchvision:squeezenet1_1", small=True)) == "3×64×64"
    assert nets.described(nets.named("resnet18@40")) == "3×40×40"


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("fernot", InvalidInputError, "no architecture is named 'fernot'"),
        ("none.pth", InvalidInputError, "no checkpoint none.pth"),
        ("simple_cnn@40", InvalidInputError, "simple_cnn does not take pictures of 40×40"),
        ("fernet@large", UsageError, "a number of pixels"),
    ],
)
def test_a_name_that_is_none(name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        nets.named(name)


# ---- cells


@pytest.fixture(scope="module")
def filled(small: Checkpoint, browser: Browser) -> list[Cell]:
    """Fill the cells of a small model that need only the core and a browser."""
    wanted = ("onnx", "tfjs", "tfjs-float16")
    runtimes = (*names("onnx"), "tfjs-wasm", "tfjs-webgl")
    return fill_cells("small", small, browser=browser, wanted=wanted, runtimes=runtimes)


def test_every_road_runs_in_every_runtime_for_it(filled: list[Cell], small: Checkpoint) -> None:
    assert [(cell.route, cell.runtime) for cell in filled] == [
        *[("onnx", engine) for engine in names("onnx")],
        *[(route, runtime) for route in ("tfjs", "tfjs-float16") for runtime in ("tfjs-wasm", "tfjs-webgl")],
    ]
    for cell in filled:
        assert cell.refusal is None
        assert cell.difference is not None
        assert 0 < cell.difference < (1e-2 if "16" in cell.route else 1e-5)
        assert not cell.over
        assert cell.weights == small.contract.weights_sha256


def test_a_number_is_the_largest_difference_from_torch(filled: list[Cell], small: Checkpoint, small_onnx: Path) -> None:
    torch_runtime, other = TorchRuntime(small.module(), small.contract), OnnxRuntime(small_onnx)
    apart = [
        float(np.abs(values - other(batch.inputs)[name]).max())
        for batch in samples_for(small.contract)
        for name, values in torch_runtime(batch.inputs).items()
    ]
    assert filled[0].difference == pytest.approx(max(apart), rel=0.5)
    assert filled[0].runtime == "onnxruntime"


@pytest.fixture
def no_environments(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is tested in the same session."""
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path_factory.mktemp("empty")))


@pytest.mark.usefixtures("no_environments")
def test_without_its_environment_a_road_says_what_to_run(small: Checkpoint, browser: Browser) -> None:
    found = fill_cells("small", small, browser=browser, wanted=("tf", "frozen", "onnx-tf", "onnx2tf-tensorflowjs"),
                         runtimes=("tensorflow", "tf-frozen", "tfjs-wasm"))  # fmt: skip
    refusals = {cell.route: cell.refusal for cell in found}
    assert refusals["tf"] is not None
    assert refusals["tf"].startswith("the environment tf")
    assert refusals["tf"].endswith("is not there: fer-export env create tf")
    assert refusals["frozen"] == f"no tf: {refusals['tf']}"
    assert refusals["onnx2tf-tensorflowjs"] == f"no onnx2tf: {refusals['tf']}"
    assert str(refusals["onnx-tf"]).endswith("fer-export env create onnx-tf")
    assert all(cell.missing and not cell.over and cell.difference is None for cell in found)


def test_an_operator_that_the_writer_lacks_is_named(
    small: Checkpoint, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(TABLE, "Sigmoid")
    found = fill_cells("small", small, browser=browser, wanted=("onnx", "tfjs"), runtimes=("onnxruntime", "tfjs-wasm"))
    assert [cell.difference is None for cell in found] == [False, True]
    assert str(found[1].refusal).startswith("operator Sigmoid, node")
    assert not found[1].missing
    assert not found[1].over


def test_a_runtime_that_fails_is_a_refusal_and_no_difference(
    small: Checkpoint, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.engines()
    monkeypatch.setitem(registry._ENGINES, "tfjs-webnn", registry.Engine("tfjs-webnn", "tfjs", _opener("webnn"), -1))
    found = fill_cells("small", small, browser=browser, wanted=("tfjs",), runtimes=("tfjs-webnn", "tfjs-wasm"))
    assert "webnn" in str(found[0].refusal)
    assert not found[0].over
    assert found[1].difference is not None


def answer_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what opens ONNX files be a little off, and leave the exporter's own check as it is."""

    @contextmanager
    def open_wrong(path: Path, _: registry.Resources) -> Iterator[Wrong]:
        yield Wrong(path)

    registry.engines()
    monkeypatch.setitem(registry._ENGINES, "onnxruntime", registry.Engine("onnxruntime", "onnx", open_wrong))


def test_what_is_wrong_is_over(small: Checkpoint, monkeypatch: pytest.MonkeyPatch, browser: Browser) -> None:
    answer_wrongly(monkeypatch)
    monkeypatch.setattr(tfjs, "OnnxRuntime", Wrong)
    found = fill_cells("small", small, browser=browser, wanted=("onnx", "tfjs"), runtimes=("onnxruntime", "tfjs-wasm"))
    assert all(cell.over for cell in found)
    assert found[0].difference == pytest.approx(0.01, rel=0.01)
    assert all("differs from its reference" in str(cell.refusal) for cell in found[1:]), "the exporter has found it out"


def test_a_reason_is_one_line_without_the_workers_task() -> None:
    error = InvalidInputError("run_onnx_tf.convert: BackendIsNotSupposedToImplementIt: Unsqueeze\nversion 13")
    assert reason(error) == "BackendIsNotSupposedToImplementIt: Unsqueeze version 13"
    assert reason(MissingDependencyError("no Chromium", hint="install it")) == "no Chromium: install it"


# ---- going on


def test_finished_cells_are_not_measured_again(
    small: Checkpoint, filled: list[Cell], browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Kept(tmp_path).add(filled[:2])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it is made again")

    monkeypatch.setattr(onnx, "export", refuse)
    again = fill_cells("small", small, browser=browser, wanted=("onnx",), kept=Kept(tmp_path))
    assert again == filled[:2]
    other = Checkpoint(small.contract.but(weights_sha256=WEIGHTS), small.state)
    [cell, _] = fill_cells("small", other, browser=browser, wanted=("onnx",), kept=Kept(tmp_path))
    assert cell.refusal == "AssertionError: it is made again"


def test_what_may_be_installed_by_now_is_tried_again(tmp_path: Path) -> None:
    lasting = Cell("m", WEIGHTS, "tfjs", "tfjs-wasm", refusal="operator X")
    missing = Cell("m", WEIGHTS, "tf", "tensorflow", refusal="no environment", missing=True)
    Kept(tmp_path).add([lasting, missing])
    kept = Kept(tmp_path)
    assert kept.get(lasting.key) == lasting
    assert kept.get(missing.key) is None


def test_cells_that_were_kept_when_routes_were_roads_are_read(tmp_path: Path) -> None:
    cell = Cell("m", WEIGHTS, "tfjs", "tfjs-wasm", 1e-6)
    Kept(tmp_path).add([cell])
    path = tmp_path / "cells.json"
    path.write_text(path.read_text().replace('"route"', '"road"'))
    assert Kept(tmp_path).get(cell.key) == cell


def test_cells_of_other_versions_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell("m", WEIGHTS, "tfjs", "tfjs-wasm", 1e-6)
    Kept(tmp_path).add([cell])
    monkeypatch.setattr(cells, "__version__", "0.0.0")
    assert Kept(tmp_path).get(cell.key) is None


def test_damaged_cells_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cells.json").write_text('{"cells": [{}]}')
    with pytest.raises(InvalidInputError, match="holds no cells") as error:
        Kept(tmp_path)
    assert str(error.value.hint).startswith("remove it")


# ---- what is shown


def some() -> list[Cell]:
    """Two models with every kind of cell."""
    refusal = "BackendIsNotSupposedToImplementIt: Unsqueeze version 13 is not implemented. " * 2
    return [
        Cell("fernet", WEIGHTS, "onnx", "onnxruntime", 1.23e-6),
        Cell("fernet", WEIGHTS, "onnx2tf-tensorflowjs", "tfjs-webgpu", 0.2, over=True),
        Cell("fernet", WEIGHTS, "onnx-tf", "tensorflow", refusal=refusal),
        Cell("other", WEIGHTS, "onnx", "onnxruntime", refusal="a|b"),
        Cell("other", WEIGHTS, "tfjs", "tfjs-wasm", refusal="operator X, node 'y': none", over=True),
        Cell("other", WEIGHTS, "tfjs", "tfjs-cpu", refusal="operator X, node 'y': none", over=True),
    ]


def test_a_table_fits_the_terminal_and_leaves_nothing_out() -> None:
    def drawn(width: int) -> str:
        console = Console(width=width, file=io.StringIO(), highlight=False)
        console.print(table(show.rows(some()), ("route", "runtime", "difference"), title="fernet, 1×48×48"))
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert max(map(len, drawn(60).splitlines())) <= 60
    words = " ".join(drawn(80).split())
    assert "onnx onnxruntime 1.2e-06" in words
    assert "tfjs-webgpu 2.0e-01 OVER" in words
    assert f"refused: {' '.join(str(some()[2].refusal).split())}" in words
    assert "tfjs-cpu OVER: as above" in words


def test_markdown_has_every_cell() -> None:
    lines = show.markdown(some()).splitlines()
    assert lines[0] == "| route | runtime | `fernet` | `other` |"
    assert "| `onnx` | onnxruntime | 1.2e-06 | refused [1] |" in lines
    assert "| `onnx2tf-tensorflowjs` | tfjs-webgpu | 2.0e-01 OVER | – |" in lines
    assert "| `tfjs` | tfjs-wasm | – | OVER [3] |" in lines
    assert "|  | tfjs-cpu | – | OVER [3] |" in lines
    assert "- [1] a\\|b" in lines
    assert len([line for line in lines if line.startswith("- [")]) == 3


# ---- the command


def test_the_command_knows_every_route_and_runtime() -> None:
    assert {*command.RUNTIMES, "torch"} == set(names())
    assert {route.kind for route in ROUTES.values()} == {engine.kind for engine in registry.engines()} - {"torch"}


Run = Callable[..., tuple[int, str, str]]


@pytest.mark.usefixtures("no_environments")
def test_the_command_prints_writes_and_keeps(tmp_path: Path) -> None:
    runtimes = ("--runtime", "tensorflow", "--runtime", "onnxruntime")
    places = ("--keep", tmp_path, "-o", tmp_path / "matrix.md")
    arguments = ("--model", "plain_cnn", "--road", "onnx", "--route", "tf", *runtimes, *places)
    code, out, _ = call(*arguments)
    assert code == 0
    assert "1 numbers, 1 refusals; over tolerance: 0" in out
    assert max(map(len, out.splitlines())) < 80
    assert len(json.loads((tmp_path / "cells.json").read_text())["cells"]) == 1
    assert "| route | runtime | `plain_cnn` |" in (tmp_path / "matrix.md").read_text()
    code, out, _ = call(*arguments, "--json")
    document = json.loads(out)
    assert code == 0
    assert len(document["cells"]) == 2
    assert all((cell["difference"] is None) == bool(cell["refusal"]) for cell in document["cells"])


def test_over_tolerance_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_wrongly(monkeypatch)
    code, out, err = call("--model", "plain_cnn", "--route", "onnx", "--runtime", "onnxruntime")
    assert code == 1
    assert "1.0e-02 OVER" in out
    assert "plain_cnn, onnx, onnxruntime: 1.0e-02 from torch" in err


def test_a_wrong_name_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    code, out, err = call("--model", "fernet", "--model", "fernot", "--keep", tmp_path)
    assert (code, out) == (4, "")
    assert "fernot" in err
    assert not list(tmp_path.iterdir())


def test_help_has_examples_and_is_narrow() -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert "Examples:" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_the_default_models_are_all_that_there_are() -> None:
    assert len(models.names()) + len(checkpoint.packaged()) > 10
    assert isinstance(nets.named(checkpoint.packaged()[0]).contract, Contract)
