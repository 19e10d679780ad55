"""These tests check nets whose inputs are no pictures: vectors, signals, volumes, integers and masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from fer_export import parity
from fer_export.contract import Contract, Input
from fer_export.convert import tfjs
from fer_export.errors import UsageError
from fer_export.formats.onnx import embed_contract, load_onnx, onnx_sha256
from fer_export.importing.architecture import resolve
from fer_export.importing.options import parse_input, parse_ranges
from fer_export.parity import comparing, samples
from fer_export.runtimes import Inputs, channels_first, onnxruntime_web
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

Call = Callable[..., tuple[int, str, str]]

CODE = """
import torch
from torch import nn


class Vector(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 3))


class Signal(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv1d(8, 6, 5, stride=2), nn.Linear(6 * 18, 3)

    def forward(self, values):
        inner = self.first(values).relu()
        return self.head(inner.flatten(1)), inner


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv3d(2, 4, 3), nn.Linear(4 * 3 * 4 * 5, 3)

    def forward(self, values):
        return self.head(self.first(values).relu().flatten(1))


class Beside(nn.Module):
    def __init__(self):
        super().__init__()
        self.picture, self.points, self.head = nn.Conv2d(1, 6, 3), nn.Linear(10, 6), nn.Linear(12, 3)

    def forward(self, face, landmarks):
        seen = self.picture(face).relu().mean((2, 3))
        return self.head(torch.cat([seen, self.points(landmarks).tanh()], 1))


# A layer of attention over what is not masked.
class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.place = nn.Embedding(300, 16), nn.Embedding(12, 16)
        self.norm, self.mixed, self.head = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 3)

    def forward(self, ids, mask):
        seen = self.table(ids) + self.place(torch.arange(ids.shape[1]))
        parts = self.mixed(self.norm(seen)).view(len(ids), 12, 3, 2, 8).permute(2, 0, 3, 1, 4)
        bias = torch.where(mask, 0.0, -1e4)[:, None, None, :]
        mixed = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias)
        return self.head((seen + mixed.transpose(1, 2).reshape(len(ids), 12, 16)).mean(1))


# 0 is padding, and the table has three rows of something else before its codes.
class Codes(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.kinds = nn.Embedding(100, 6), nn.Embedding(5, 6)
        self.picture, self.head = nn.Conv2d(1, 6, 3), nn.Linear(12, 3)

    def forward(self, face, ids, kind, gain):
        there = (ids != 0).unsqueeze(-1).float()
        words = (self.table(ids + 3) * there).sum(1) / (there.sum(1) + 1) + self.kinds(kind)
        return self.head(torch.cat([words, self.picture(face).relu().mean((2, 3))], 1)) * gain[:, None]


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, counts):
        return self.head(torch.log1p(counts.float()))
"""
INPUTS = {
    "Vector": ("10",),
    "Signal": ("8x40",),
    "Volume": ("2x5x6x7",),
    "Beside": ("face=1x40x32", "landmarks=10"),
    "Tokens": ("ids=12:int64", "mask=12:bool"),
    "Counts": ("6:int64",),
    "Codes": ("face=1x24x32", "ids=7:int32", "kind=scalar:int64", "gain=scalar"),
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    return tmp_path / "net.py"


def build(code: Path, name: str) -> nn.Module:
    torch.manual_seed(4)
    net, _ = resolve(f"{code}:{name}", {}, state={}, classes=None, channels=1)
    return net.eval()


def asked(code: Path, name: str) -> list[str]:
    given = [part for text in INPUTS[name] for part in ("--input", text)]
    return ["onnx", "--ckpt", f"{code.parent}/x.pth", "--arch", f"{code}:{name}", *given, "-o", f"{code.parent}/x.onnx"]


@pytest.mark.parametrize("name", INPUTS)
def test_it_goes_the_road_to_the_browser(name: str, code: Path, tmp_path: Path, cli: Call) -> None:
    net = build(code, name)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    exit_code, out, err = cli(*asked(code, name), "--json")
    assert exit_code == 0, err
    assert any("is no picture" in sentence for sentence in json.loads(out)["assumed"])
    model, contract = load_onnx(tmp_path / "x.onnx")
    assert not contract.golden
    with Browser() as browser:
        tfjs.export(model, contract, tmp_path / "model", browser=browser)
    batches = samples.samples_for(contract)
    figures = comparing.compare(
        comparing.artefact_reference(tmp_path / "x.onnx"), comparing.turns([tmp_path / "model"], ["tfjs-wasm"]), batches
    )
    assert all(figure.ok and figure.samples == sum(len(batch.names) for batch in batches) >= 13 for figure in figures)
    # The numbers are those of the bare net, without anything of ours around it.
    rows = samples.samples_for(contract)[0].inputs
    wanted = net(*fed(contract, rows))
    wanted = wanted if isinstance(wanted, Tensor) else wanted[0]
    answer = OnnxRuntime(tmp_path / "x.onnx")(rows)
    got = answer["logits"] if "logits" in answer else answer["output_0"]
    np.testing.assert_allclose(got, wanted.detach().numpy(), atol=1e-4)


def fed(contract: Contract, rows: Inputs) -> list[Tensor]:
    """Convert inputs to what a caller would give the bare net."""
    tensors = [torch.from_numpy(channels_first(rows[entry.name])) for entry in contract.inputs]
    return [one / 255 if entry.kind == "picture" else one for entry, one in zip(contract.inputs, tensors, strict=True)]


def contract_of(spec: Input) -> Contract:
    """Return the contract of a net with this one input."""
    return Contract.model_validate(
        {
            "architecture": {"name": "net.py:Net"},
            "inputs": (spec,),
            "outputs": ({"name": "output", "shape": (3,), "meaning": "values"},),
            "license": "MIT",
            "weights_sha256": "0" * 64,
        }
    )


def test_what_the_samples_are() -> None:
    whole, alone = samples.samples_for(contract_of(parse_input("8x40")))
    assert whole.single.dtype == np.float32
    assert whole.single.shape == (12, 40, 8)
    assert (whole.single.min(), whole.single.max()) == (-1, 1)
    assert len(np.unique(whole.single, axis=0)) == 12
    assert whole.single[:9].std() == pytest.approx(1 / 3**0.5, abs=0.02)
    np.testing.assert_array_equal(alone.single, whole.single[:1])


@pytest.mark.parametrize(
    ("text", "axes", "picture"),
    [("10", (10,), False), ("points=5000", (5000,), False), ("8x100", (8, 100), False),
     ("1×4x8x8", (1, 4, 8, 8), False), ("1x8x9", (1, 8, 9), True), ("3x?x?", (3, None, None), True),
     ("ids=128:int64", (128,), False), ("1x64x200:float32", (1, 64, 200), False), ("step=scalar", (), False)],
)  # fmt: skip
def test_how_inputs_are_written(text: str, axes: tuple[int | None, ...], picture: bool) -> None:
    spec = parse_input(text)
    assert (spec.axes, spec.kind == "picture", spec.free) == (axes, picture, None in axes)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_whole_numbers_take_both_ends_of_their_range(dtype: str) -> None:
    spec = parse_input(f"50:{dtype}")
    if dtype != "bool":
        spec = spec.but(range=(-2.0, 5.0))
    rows = samples.samples_for(contract_of(spec))[0].single
    assert rows.dtype == np.dtype(dtype)
    assert set(np.unique(rows[:9])) == ({False, True} if dtype == "bool" else set(range(-2, 6)))


@pytest.mark.parametrize(
    ("text", "high", "rows"), [("7:int64", 96, 14), ("scalar:int32", 9, 10), ("40:int64", 9, 0), ("3:bool", 1, 0)]
)
def test_every_whole_number_is_seen(text: str, high: int, rows: int) -> None:
    """Also in batches of a fixed size, and whatever stands beside it."""
    spec = parse_input(f"x={text}").but(range=(0.0, float(high)))
    for contract in (contract_of(spec), contract_of(spec).but(inputs=(spec, parse_input("1x8x8")))):
        for batch in (None, 5):
            batches = samples.samples_for(contract, batch=batch)
            assert batch is None or {len(part) for each in batches for part in each.inputs.values()} == {5}
            parts = [each.inputs["x"] for each in batches]
            assert set(np.unique(np.concatenate([part.reshape(-1) for part in parts]))) == set(range(high + 1))
            names = [name for each in batches for name in each.names]
            assert len(set(names)) == len(names)
        assert sum(len(each.names) for each in samples.samples_for(contract)) == 13 + rows


def test_a_range_too_long_to_see_whole_is_told(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, "Counts").state_dict(), tmp_path / "x.pth")
    _, out, _ = cli(*asked(code, "Counts"), "--range", "0:99999999")
    assert f"{10**8 - 4096 * 6} of them are not tried" in out


def test_how_high_whole_numbers_go_is_what_their_table_holds(code: Path, tmp_path: Path, cli: Call) -> None:
    """Of several tables the smallest that depends on the input; less what the net itself adds to them."""
    for name, highest in (("Tokens", 299), ("Codes", 96)):  # and Codes' kind: 4
        torch.save(build(code, name).state_dict(), tmp_path / "x.pth")
        assert cli(*asked(code, name), "--force")[0] == 0
        ids = next(spec for spec in load_onnx(tmp_path / "x.onnx")[1].inputs if spec.name == "ids")
        assert ids.range == (0, highest)
        assert cli(*asked(code, name), "--range", "ids=1:9")[0] == 0
        ids = next(spec for spec in load_onnx(tmp_path / "x.onnx")[1].inputs if spec.name == "ids")
        assert ids.range == (1, 9)


@pytest.mark.parametrize(
    ("given", "reason"),
    [("ids=0:3.5", "whole numbers"), ("ids=5:1", "from the lower end"), ("words=0:9", "name and two ends"),
     ("ids=7", "name and two ends"), ("0:9", "name and two ends"), ("face=0:9", "is a picture"),
     ("ids=a:9", "not a number")],
)  # fmt: skip
def test_ranges_that_are_none(given: str, reason: str) -> None:
    inputs = [parse_input(text) for text in INPUTS["Codes"]]
    with pytest.raises(UsageError, match=reason):
        parse_ranges([given], inputs)


def test_a_range_past_the_table_says_what_to_ask_for(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, "Tokens").state_dict(), tmp_path / "x.pth")
    exit_code, _, err = cli(*asked(code, "Tokens"), "--range", "ids=0:300")
    assert exit_code == 4
    assert "out of range" in err
    assert "--range" in err


def test_whole_numbers_on_the_other_backends(code: Path, tmp_path: Path, cli: Call, browser: Browser) -> None:
    """WebGPU transposes no integers that a Cast has called floats."""
    torch.save(build(code, "Codes").state_dict(), tmp_path / "x.pth")
    assert cli(*asked(code, "Codes"))[0] == 0
    written = tfjs.export(
        *load_onnx(tmp_path / "x.onnx"), tmp_path / "model", browser=browser, backends=("webgl", "webgpu", "cpu")
    )
    assert {figure.runtime for figure in written.figures} == {"tfjs-webgl", "tfjs-webgpu", "tfjs-cpu"}
    contract = written.contract
    with onnxruntime_web.model(browser, tmp_path / "x.onnx") as runtime:
        reference = OnnxRuntime(tmp_path / "x.onnx")
        assert all(
            figure.ok for figure in parity.measure_parity(reference, runtime, samples.samples_for(contract), contract)
        )


def test_pixels_settings_are_refused_where_there_are_no_pixels(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, "Vector").state_dict(), tmp_path / "x.pth")
    exit_code, _, err = cli(*asked(code, "Vector"), "--mean", "0.5")
    assert exit_code == 2
    assert "are for pictures" in err


def spoiled(code: Path, name: str, cli: Call, shape: list[int], change: Callable[[np.ndarray], None]) -> str:
    """What `verify` says of an ONNX file after a change to its weights of a shape, sorted."""
    torch.save(build(code, name).state_dict(), code.parent / "x.pth")
    assert cli(*asked(code, name))[0] == 0
    model, contract = load_onnx(code.parent / "x.onnx")
    tensor = next(each for each in model.graph.initializer if sorted(each.dims) == shape)
    weights = numpy_helper.to_array(tensor).copy()
    change(weights)
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    embed_contract(contract.but(graph_sha256=onnx_sha256(model)), model)
    (code.parent / "spoiled.onnx").write_bytes(model.SerializeToString())
    exit_code, out, _ = cli("verify", code.parent / "spoiled.onnx", "--against", code.parent / "x.onnx")
    assert exit_code == 1
    return out


def test_a_wrong_weight_is_named(code: Path, cli: Call) -> None:
    """The bisection feeds such inputs too."""

    def change(weights: np.ndarray) -> None:
        weights += np.float32(0.5)

    out = spoiled(code, "Beside", cli, [6, 10], change)
    assert "Gemm" in out
    assert "landmarks" in out


def test_a_wrong_row_of_a_table_is_named(code: Path, cli: Call) -> None:
    def change(weights: np.ndarray) -> None:
        weights[211] += 1

    out = spoiled(code, "Tokens", cli, [16, 300], change)
    assert "Gather" in out
    assert "16 of 4800 numbers differ" in out
