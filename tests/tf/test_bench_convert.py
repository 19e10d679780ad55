"""These tests check the bench of two routes to TF.js: both really run, and only the direct writer's faults count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
from click.testing import CliRunner

from fer_export import models, tfgraph
from fer_export.cli import bench_convert
from fer_export.diagnose.bench import convert, convert_process, convert_sides
from fer_export.diagnose.bench.convert_process import Cost
from fer_export.diagnose.bench.convert_sides import NOISE, Compared, Side
from fer_export.diagnose.matrix import nets
from fer_export.errors import InvalidInputError, MissingDependencyError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import write_tfjs
from fer_export.runtimes.tfjs import Browser
from tf.conftest import needed

COST = Cost(seconds=1.0, importing=0.5, cpu=1.0, cpu_importing=0.5, peak=100)
SLOW = replace(COST, seconds=100.0, peak=9000)


def pair(direct: Side, official: Side | None = None, rounding: float = 1e-7) -> Compared:
    """Two sides of one model."""
    return Compared("net", direct, official or Side([COST], 50, 1000, 1e-6), rounding)


@pytest.fixture(scope="module")
def compared(small: Checkpoint, browser: Browser) -> Compared:
    """A small model by both routes, once."""
    needed("tf")
    return convert.compare("small", small, turns=1, browser=browser)


def test_both_roads_make_a_model_that_runs(compared: Compared) -> None:
    for side in compared.sides.values():
        assert side.reason is None
        assert side.difference is not None
        assert 0 < side.difference < 1e-4
        assert side.nodes is not None
        assert side.nodes > 20
        assert side.bytes is not None
        assert side.bytes > 4 * 30_000, "its parameters alone"
    assert 0 < compared.rounding < 1e-5
    assert compared.faults == []


def test_a_cost_is_of_the_whole_process(compared: Compared) -> None:
    for side in compared.sides.values():
        [cost] = side.costs
        assert 0 < cost.importing < cost.seconds
        assert 0 < cost.cpu_importing < cost.cpu
        assert cost.peak > 20e6


def test_ratios_are_of_turns_that_were_side_by_side() -> None:
    ours = [replace(COST, seconds=seconds) for seconds in (1.0, 2.0, 1.0)]
    theirs = [replace(COST, seconds=seconds, importing=2.5, cpu=9.0, peak=300) for seconds in (10.0, 10.0, 30.0)]
    ratios = pair(Side(ours, 50), Side(theirs, 50)).record()["ratios"]
    assert ratios["time"] == {"median": 10.0, "low": 5.0, "high": 30.0, "turns": [10.0, 5.0, 30.0]}
    assert ratios["time_without_imports"]["turns"] == [15.0, 5.0, 55.0]
    assert (ratios["cpu"]["median"], ratios["memory"]["median"]) == (9.0, 3.0)


def test_nodes_are_counted_as_the_writer_counts_them(small_onnx: Path, tmp_path: Path) -> None:
    model, contract = load_onnx(small_onnx)
    graph = tfgraph.convert(model)
    size = write_tfjs(graph, contract, tmp_path, "float32")
    operators = {name: count for name, count in graph.operators().items() if name not in ("Const", "Placeholder")}
    count, bare = convert._size(tmp_path)
    assert count == sum(operators.values())
    assert size - bare == pytest.approx(len(contract.to_json()), rel=0.05)


def test_memory_is_that_of_the_conversion_and_not_of_who_started_it() -> None:
    ballast = np.ones(900_000_000, np.uint8)
    events = convert_process._events({"route": "direct"})
    assert 20e6 < events["imported"]["peak"] < ballast.nbytes


def test_a_road_that_fails_says_why_and_the_other_goes_on(
    small: Checkpoint, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed("tf")

    def spoiled(model: onnx_library.ModelProto) -> onnx_library.ModelProto:
        model.graph.node[0].op_type = "NoSuchOperator"
        return model

    monkeypatch.setattr(convert, "for_onnx2tf", spoiled)
    found = convert.compare("small", small, turns=1, browser=browser)
    assert found.direct.reason is None
    assert found.direct.difference is not None
    assert found.official.reason
    assert "\n" not in found.official.reason
    assert found.official.difference is None
    assert found.record()["ratios"] == {}
    assert found.faults == []


def test_a_conversion_that_fails_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    job = {"route": "direct", "model": str(tmp_path / "broken.onnx"), "folder": str(tmp_path)}
    with pytest.raises(InvalidInputError, match=r"InvalidInputError: .*broken\.onnx is truncated or not an ONNX file"):
        convert_process.convert(job)


def test_without_the_environment_it_says_what_to_run(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path))
    monkeypatch.setattr("fer_export.tfenv.environments._installed_here", lambda name: False)
    with Browser() as browser, pytest.raises(MissingDependencyError) as error:
        convert.compare("small", small, turns=1, browser=browser)
    assert error.value.hint == "fer-export env create tf"


# ---- what the direct writer answers for


@pytest.mark.parametrize(
    ("direct", "rounding", "fault"),
    [
        (Side([COST], 50, 1000, 1e-6), 1e-7, None),
        (Side([SLOW], 50, 9999, 1e-6), 1e-7, None),
        (Side([COST], 51, 1000, 1e-6), 1e-7, "has 51 nodes, and 50 are enough"),
        (Side([COST], 50, 1000, 1e-6 + 0.9 * NOISE), 1e-7, None),
        (Side([COST], 50, 1000, 1e-6 + 1.1 * NOISE), 1e-7, "differs by 2.1e-06, and 1.0e-06 is possible"),
        (Side([COST], 50, 1000, 1e-6 + 1.1 * NOISE), 2e-6, None),
        (Side([COST], 50, 1000, 1e-6 + 2.1e-6), 2e-6, "differs by 3.1e-06, and 1.0e-06 is possible"),
        (Side(reason="operator X"), 1e-7, "failed: operator X"),
    ],
)
def test_faults(direct: Side, rounding: float, fault: str | None) -> None:
    assert pair(direct, rounding=rounding).faults == ([f"net: the direct writer {fault}"] if fault else [])


def test_a_road_that_fails_is_no_fault_of_the_other() -> None:
    assert pair(Side([COST], 50, 1000, 1e-6), Side(reason="ValueError: no")).faults == []


def test_the_summary_tells_larger_differences_even_where_they_are_rounding() -> None:
    found = [pair(Side([COST], 40, 1000, 1.5e-6)), pair(Side([COST], 50, 1000, 1e-7)), pair(Side(reason="no"))]
    told = convert_sides.summary(found)
    assert (told["models"], told["compared"], told["failed"]) == (3, 2, {"direct": 1, "official": 0})
    assert told["nodes"] == {"fewer": 1, "same": 1, "more": 0}
    assert (told["difference"]["larger"], told["difference"]["beyond"]) == (1, 0)
    assert told["difference"]["excess"] == pytest.approx(5e-7)
    assert told["ratios"]["time"]["median"] == 1.0


# ---- the command


def command(monkeypatch: pytest.MonkeyPatch, found: Compared, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, with figures that were taken before."""
    monkeypatch.setattr(convert, "compare", lambda *_, **__: found)
    monkeypatch.setattr(convert_process, "warm_up", lambda route: None)
    result = CliRunner().invoke(bench_convert.main, ["--model", "plain_cnn", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_both_routes(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = command(monkeypatch, compared, "--turns", "1")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert ["direct", "official", "ratio"] in [line.split() for line in out.splitlines()]
    assert "1 models, turns of each: 1; failed: direct 0, official 0" in out


def test_the_command_as_json(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = command(monkeypatch, compared, "--json")
    document = json.loads(out)
    assert code == 0
    [record] = document["models"]
    assert record["direct"]["costs"][0]["seconds"] > 0
    assert record["official"]["nodes"] >= record["direct"]["nodes"]
    assert document["machine"]["cores"]


def test_more_nodes_exit_1_and_time_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = command(monkeypatch, pair(Side([COST], 51, 1000, 1e-6)))
    assert code == 1
    assert "FAULT" in out
    assert "has 51 nodes" in err
    assert command(monkeypatch, pair(Side([SLOW], 50, 1000, 1e-6)))[0] == 0


def test_a_failure_has_its_reason_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = command(monkeypatch, pair(Side([COST], 50, 1000, 1e-6), Side(reason="ValueError: no")))
    assert code == 0
    assert "official failed: ValueError: no" in out
    assert "failed: direct 0, official 1" in out


def test_help_has_examples_and_is_narrow() -> None:
    result = CliRunner().invoke(bench_convert.main, ["--help"])
    assert "fer-export bench-convert" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_eight_models_are_named() -> None:
    assert len(set(convert.MODELS)) == 8
    known = [*checkpoint.packaged(), *models.names()]
    assert all(name in known or name.startswith("torchvision:") for name in convert.MODELS)
    assert nets.named(convert.MODELS[0]).contract.training is not None
