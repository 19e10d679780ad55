"""These tests check the bench: nets timed in turn, ratios by their definition, and that no time makes it fail."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fer_export import models
from fer_export.convert import detector
from fer_export.diagnose.bench import page, run, timing
from fer_export.diagnose.bench.nets import Net, reference, yardstick
from fer_export.diagnose.bench.time_nets import TimedNets, time_nets
from fer_export.diagnose.bench.timing import Timing
from fer_export.errors import InvalidInputError, MissingDependencyError
from fer_export.faces.cascade import detect
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.models import cost as costs
from fer_export.runtimes import onnxruntime
from fer_export.runtimes.tfjs import Browser

Call = Callable[..., tuple[int, str, str]]
ROUNDS, TURNS, BATCHES = 2, 3, (1, 3)


@pytest.fixture(scope="module")
def nets(small: Checkpoint) -> list[Net]:
    """A small model and the yardstick."""
    return [Net("small", small), yardstick()]


@pytest.fixture(scope="module")
def measured(nets: list[Net], browser: Browser) -> TimedNets:
    """Both on every runtime."""
    return time_nets(nets, browser=browser, batches=BATCHES, rounds=ROUNDS, turns=TURNS)


@pytest.fixture(scope="module")
def saved(small: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as a file."""
    path = tmp_path_factory.mktemp("bench") / "small.safetensors"
    checkpoint.save(small, path)
    return path


# ---- multiply-accumulates


class Twice(nn.Module):
    """One linear layer, used twice, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(6, 6), nn.Linear(6, 100)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 6] → [N, 6]."""
        done: Tensor = self.used(self.used(x))
        return done


@pytest.mark.parametrize(
    ("net", "shape", "by_hand"),
    [
        (nn.Linear(200, 10), (200,), 200 * 10),
        # 9×9 at stride 2 with padding is 5×5; the bias is not counted.
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 9, 9), 5 * 5 * 8 * 3 * 3 * 3),
        # Depthwise: each channel has its own kernel.
        (nn.Conv2d(8, 8, (3, 5), groups=8), (8, 9, 9), 7 * 5 * 8 * 3 * 5),
        (nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 7)), (1, 3, 3),
         9 * 4 + 36 * 7),
        (Twice(), (6,), 2 * 36),
    ],
)  # fmt: skip
def test_macs_by_hand(net: nn.Module, shape: tuple[int, ...], by_hand: int) -> None:
    net.train()
    assert costs.count(net, shape) == by_hand
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("name", ["fernet", "plain_cnn", "torchvision:mobilenet_v3_small"])
def test_macs_are_half_of_what_torch_counts_as_flops(name: str) -> None:
    net = models.build(name, num_classes=8).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 48, 48))
    assert costs.count(net, (1, 48, 48)) == counter.get_total_flops() // 2


def test_attention_is_not_counted_wrongly() -> None:
    assert costs.count(nn.TransformerEncoderLayer(16, 2), (4, 16)) is None


def test_the_cost_of_a_contract() -> None:
    pretrained = costs.of(checkpoint.load_checkpoint(checkpoint.PRETRAINED).contract)
    assert str(pretrained) == "0.71 M parameters, 59.7 M multiply-accumulates"
    assert costs.of(detector.contract_for("rnet")) is None, "no net of the registry"
    contract = yardstick().checkpoint.contract
    for size in (None, 96):
        other = contract.picture.but(height=size, width=size)
        assert str(costs.of(contract.but(inputs=(other,)))) == "0.31 M parameters", "free size, or one it cannot take"


def test_info_tells_it(cli: Call) -> None:
    assert "59.7 M multiply-accumulates" in cli("info")[1]


# ---- what is timed


def test_the_yardstick_is_of_54_6_mflop_and_always_the_same() -> None:
    before = torch.random.get_rng_state()
    first, second = yardstick(), yardstick()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.checkpoint.contract.weights_sha256 == second.checkpoint.contract.weights_sha256
    cost = costs.of(first.checkpoint.contract)
    assert cost is not None
    assert cost.macs is not None
    assert round(2 * cost.macs / 1e6, 1) == 54.6


def test_pictures_are_real_and_of_each_nets_size(nets: list[Net]) -> None:
    (pictures,) = nets[0].pictures(10).values()
    assert pictures.shape == (10, 48, 48, 1)
    assert pictures.dtype == np.uint8
    assert len(np.unique(pictures[:8], axis=0)) == 8
    assert np.array_equal(pictures[8:], pictures[:2]), "more than there are: the first ones once more"


def test_calls_are_made_in_turn() -> None:
    made: list[str] = []
    spans = timing.in_turn([lambda: made.append("a"), lambda: made.append("b"), lambda: made.append("c")], 3)
    assert "".join(made) == "abcabcabc"
    assert [len(each) for each in spans] == [3, 3, 3]


def test_the_ratio_is_of_medians_round_by_round() -> None:
    model = [[(0, 2), (0, 4), (0, 90)], [(5, 6), (5, 7), (5, 8)]]
    reference = [[(0, 1), (0, 2), (0, 3)], [(0, 1), (0, 4), (0, 5)]]
    record = Timing("torch", 1, list(zip(model, reference, strict=True))).record()
    assert record["ratio"] == {"median": 1.25, "low": 0.5, "high": 2.0, "rounds": [2.0, 0.5]}
    # All six calls took 1, 2, 2, 3, 4 and 90.
    assert record["model"] == {"q1": 2.0, "median": 2.5, "q3": 3.75}
    alone = Timing("torch", 1, [[each] for each in model]).record()
    assert "ratio" not in alone
    assert "reference" not in alone


def test_every_runtime_and_batch_is_timed(measured: TimedNets) -> None:
    runtimes = ("torch", "onnxruntime", "tfjs-wasm")
    assert [(one.runtime, one.batch) for one in measured.timings] == list(itertools.product(runtimes, BATCHES))
    for one in measured.timings:
        assert len(one.rounds) == ROUNDS
        assert all(len(spans) == TURNS for nets in one.rounds for spans in nets)
        assert len(one.record()["ratio"]["rounds"]) == ROUNDS


def test_in_every_runtime_the_nets_alternate(measured: TimedNets) -> None:
    for one in measured.timings:
        calls = [
            span for model, reference in one.rounds for pair in zip(model, reference, strict=True) for span in pair
        ]
        assert all(start < end for start, end in calls), one.runtime
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(calls)), one.runtime


def test_the_page_has_a_fine_clock_one_thread_and_lets_all_tensors_go(measured: TimedNets, browser: Browser) -> None:
    assert browser._page.evaluate("crossOriginIsolated") is True
    assert browser._page.evaluate("harness.tensors()") == 0
    asked = browser._page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name.rpartition("/")[2] for name in asked if name.endswith(".wasm")] == ["tfjs-backend-wasm-simd.wasm"]


def test_half_the_weights_are_half_the_download(measured: TimedNets) -> None:
    small, yardstick = measured.weights
    # Tensors under 1,024 values stay float32: a large part of so small a net, next to nothing of the yardstick.
    assert 0.5 < small["float16"] / small["float32"] < 0.6
    assert 0.5 < yardstick["float16"] / yardstick["float32"] < 0.51


def test_threads_are_given_back(nets: list[Net], browser: Browser) -> None:
    threads = torch.get_num_threads()
    seen: list[int] = []
    torch.set_num_threads(2)
    try:
        net = nets[0].checkpoint.module()
        net.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
        spied = SimpleNamespace(contract=nets[0].checkpoint.contract, module=lambda: net)
        time_nets([Net("spied", spied)], ["torch"], browser=browser, rounds=1, turns=2)  # type: ignore[arg-type]
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


# ---- the command


def test_the_command_tells_all_of_it(cli: Call, saved: Path) -> None:
    arguments = ("bench", "--ckpt", saved, "--runtime", "torch", "--rounds", 2)
    code, out, _ = cli(*arguments, "--against", checkpoint.PRETRAINED, "--json")
    document = json.loads(out)
    assert code == 0
    assert [net["name"] for net in document["nets"].values()] == ["fernet", "fernet"]
    assert document["nets"]["reference"]["macs"] > document["nets"]["model"]["macs"] > 0
    [record] = document["timings"]
    assert record["runtime"] == "torch"
    assert set(record["model"]) == {"median", "q1", "q3"}
    assert record["ratio"]["low"] <= record["ratio"]["median"] <= record["ratio"]["high"]
    code, out, _ = cli(*arguments, "--against", "none", "--batch", 2)
    assert code == 0
    assert "ratio" not in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("torch ")] == [
        ["torch", "1"],
        ["torch", "2"],
    ]


@pytest.mark.parametrize("columns", [80, 40])
def test_no_figure_is_cut_off(cli: Call, saved: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = cli("bench", "--ckpt", saved, "--runtime", "torch", "--rounds", 1)
    assert "plain_cnn" in out
    assert "…" not in out


def test_nothing_fails_because_of_a_time(cli: Call, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this test says that the model takes a thousand times as long as the plain CNN."""
    ticks = itertools.accumulate(itertools.cycle((0, 1000, 0, 1)))
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    code, out, _ = cli("bench", "--ckpt", saved, "--runtime", "torch", "--rounds", 2, "--json")
    assert code == 0
    assert json.loads(out)["timings"][0]["ratio"]["median"] == 1000


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--against", "plain_cnm"), 4, "no file plain_cnm"),
        (("--against", ROOT / "README.md"), 4, "holds more than weights"),
        (("--ckpt", "none.safetensors"), 4, "no checkpoint none.safetensors"),
        (("--runtime", "tensorflow"), 2, "tensorflow"),
        (("--backend", "vulkan"), 2, "vulkan"),
        (("--rounds", 0), 2, "--rounds"),
        (("--batch", 0), 2, "--batch"),
        (("--page",), 3, "the page is not built"),
    ],
)
def test_what_does_not_exist_is_refused(
    cli: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = cli("bench", *arguments)
    assert (found, out) == (code, "")
    assert says in err


def test_a_runtime_that_is_not_there(cli: Call, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise MissingDependencyError("onnxruntime is not installed", hint="pip install it")

    monkeypatch.setattr(onnxruntime, "_library", absent)
    arguments = ("bench", "--ckpt", saved, "--rounds", 1, "--json")
    code, out, _ = cli(*arguments, "--runtime", "onnxruntime")
    assert (code, json.loads(out)["hint"]) == (3, "pip install it"), "asked for by name"
    code, out, _ = cli(*arguments)
    document = json.loads(out)
    assert code == 0
    assert [record["runtime"] for record in document["timings"]] == ["torch"]
    assert all("left out: onnxruntime is not" in document["notes"][name] for name in ("onnxruntime", "tfjs"))


def test_a_busy_machine_is_named() -> None:
    assert run._busy({"load": 0.4, "cores": 2}) == {}
    assert run._busy({"load": None, "cores": 2}) == {}
    assert "3.9 on 2 cores" in run._busy({"load": 3.9, "cores": 2})["load"]


def test_an_emulated_gpu_is_named(browser: Browser) -> None:
    assert "emulated" in run._webgl("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device), SwiftShader driver)")
    assert "emulated" not in run._webgl("ANGLE (NVIDIA, NVIDIA GeForce RTX 3060)")
    assert isinstance(browser.renderer, str)


# ---- the page


def test_the_fake_camera_shows_a_face(tmp_path: Path) -> None:
    page.film(tmp_path / "face.mjpeg")
    frames = (tmp_path / "face.mjpeg").read_bytes().split(b"\xff\xd8\xff")[1:]
    assert len(frames) == page.FRAMES
    for index in (0, page.FRAMES // 2):
        frame = np.asarray(Image.open(io.BytesIO(b"\xff\xd8\xff" + frames[index])))
        assert frame.shape == (480, 640, 3)
        assert len(detect(frame)) == 1


@pytest.mark.alone
def test_the_page_is_watched() -> None:
    """In a process of its own, as the command runs it."""
    index = str(ROOT / "web" / "index.html")
    code = "import json, sys, pathlib; from fer_export.diagnose.bench import page; " \
           "print(json.dumps(page.time_page(pathlib.Path(sys.argv[1]), seconds=2)))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, index], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["backend"] == "wasm"
    assert seen["frames"] > 0
    assert seen["fps"] > 0
    assert seen["faces"] > 0.5
    assert seen["followed"]["share"] + seen["searched"]["share"] == pytest.approx(1)


def test_a_page_that_is_not_built_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="not built") as caught:
        page.time_page(tmp_path / "index.html")
    assert caught.value.hint == "make web"


def test_a_reference_by_name_or_path(saved: Path) -> None:
    assert reference("none") is None
    for against, name in (("plain_cnn", "plain_cnn"), (str(saved), "fernet")):
        made = reference(against)
        assert made is not None
        assert made.name == name
    with pytest.raises(InvalidInputError, match="nothing to time against") as caught:
        reference("plain")
    assert "plain_cnn, none, or a checkpoint" in str(caught.value.hint)
