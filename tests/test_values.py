"""Nets whose inputs are no pictures: vectors, signals, volumes, and a vector beside a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from fer_export import roads, samples
from fer_export.contract import Contract
from fer_export.export import onnx, tfjs
from fer_export.foreign.architecture import resolve
from fer_export.foreign.options import parse_input
from fer_export.runtime import channels_first
from fer_export.runtime.onnxruntime import OnnxRuntime
from fer_export.runtime.tfjs import Browser

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
"""
INPUTS = {
    "Vector": ("10",),
    "Signal": ("8x40",),
    "Volume": ("2x5x6x7",),
    "Beside": ("face=1x40x32", "landmarks=10"),
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
    model, contract = onnx.load(tmp_path / "x.onnx")
    assert not contract.golden
    with Browser() as browser:
        tfjs.export(model, contract, tmp_path / "model", browser=browser)
    figures = roads.compare(tmp_path / "x.onnx", [tmp_path / "model"], samples.samples_for(contract), backends=["wasm"])
    assert all(figure.ok and figure.samples == 13 for figure in figures)
    # The same numbers as of the net without anything of ours around it.
    rows = samples.samples_for(contract)[0].pixels
    wanted = net(*fed(contract, rows))
    wanted = wanted if isinstance(wanted, Tensor) else wanted[0]
    answer = OnnxRuntime(tmp_path / "x.onnx")(rows)
    got = answer["logits"] if "logits" in answer else answer["output_0"]
    np.testing.assert_allclose(got, wanted.detach().numpy(), atol=1e-4)


def fed(contract: Contract, rows: np.ndarray) -> list[Tensor]:
    """What somebody would give the bare net."""
    parts = [rows[entry.name] for entry in contract.inputs] if rows.dtype.names else [rows]
    tensors = [torch.from_numpy(channels_first(part)) for part in parts]
    return [one / 255 if entry.picture else one for entry, one in zip(contract.inputs, tensors, strict=True)]


def test_what_the_samples_are() -> None:
    contract = Contract.model_validate(
        {
            "architecture": {"name": "net.py:Net"},
            "input": parse_input("8x40").model_dump(),
            "normalization": {"mean": (), "std": ()},
            "outputs": ({"name": "output", "shape": (3,), "meaning": "values"},),
            "license": "MIT",
            "weights_sha256": "0" * 64,
        }
    )
    whole, alone = samples.samples_for(contract)
    assert whole.pixels.dtype == np.float32
    assert whole.pixels.shape == (12, 40, 8)
    assert (whole.pixels.min(), whole.pixels.max()) == (-1, 1)
    assert len(np.unique(whole.pixels, axis=0)) == 12
    assert whole.pixels[:9].std() == pytest.approx(1 / 3**0.5, abs=0.02)
    np.testing.assert_array_equal(alone.pixels, whole.pixels[:1])


@pytest.mark.parametrize(
    ("text", "axes", "picture"),
    [("10", (10,), False), ("points=5000", (5000,), False), ("8x100", (8, 100), False),
     ("1×4x8x8", (1, 4, 8, 8), False), ("1x8x9", (1, 8, 9), True), ("3x?x?", (3, None, None), True)],
)  # fmt: skip
def test_how_inputs_are_written(text: str, axes: tuple[int | None, ...], picture: bool) -> None:
    spec = parse_input(text)
    assert (spec.axes, spec.picture, spec.free) == (axes, picture, None in axes)


def test_pixels_settings_are_refused_where_there_are_no_pixels(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, "Vector").state_dict(), tmp_path / "x.pth")
    exit_code, _, err = cli(*asked(code, "Vector"), "--mean", "0.5")
    assert exit_code == 2
    assert "are for pictures" in err


def test_a_wrong_weight_is_named(code: Path, tmp_path: Path, cli: Call) -> None:
    """The bisection feeds such inputs too."""
    torch.save(build(code, "Beside").state_dict(), tmp_path / "x.pth")
    assert cli(*asked(code, "Beside"))[0] == 0
    model, contract = onnx.load(tmp_path / "x.onnx")
    weights = next(each for each in model.graph.initializer if sorted(each.dims) == [6, 10])
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) + np.float32(0.5), weights.name))
    onnx.embed(contract.but(graph_sha256=onnx.graph_sha256(model)), model)
    (tmp_path / "spoiled.onnx").write_bytes(model.SerializeToString())
    exit_code, out, _ = cli("verify", tmp_path / "spoiled.onnx", "--against", tmp_path / "x.onnx")
    assert exit_code == 1
    assert "Gemm" in out
    assert "landmarks" in out
