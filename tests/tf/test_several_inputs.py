"""These tests convert nets of several inputs by every route, and check that no route confuses the inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fer_export.cli.tf import main as tf
from fer_export.convert import litert, onnx, saved_model, tensorflowjs
from fer_export.formats.onnx import load_onnx
from fer_export.importing.architecture import resolve
from fer_export.importing.assemble import ModelSpec, assemble
from fer_export.importing.options import parse_input
from fer_export.parity import comparing, samples
from fer_export.runtimes.registry import Resources, open_runtime
from fer_export.runtimes.tensorflow import ends_of
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker
from tf.conftest import needed

# TensorFlow sorts by name what is kept by name: the first input is the last of the alphabet.
INPUTS = {
    "Pair": ("zoomed=1x24x24", "face=3x40x32", "landmarks=10"),
    "Tokens": ("words=12:int64", "kinds=12:int64", "mask=12:bool", "gain=scalar"),
}
CODE = """
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        self.points = nn.Linear(10, 4)
        self.head, self.share = nn.Linear(12, 3), nn.Linear(12, 1)

    def forward(self, zoomed, face, landmarks):
        pictures = [self.first(zoomed).relu().mean((2, 3)), self.second(face).relu().mean((2, 3))]
        every = torch.cat([*pictures, self.points(landmarks).tanh()], 1)
        return self.head(every), torch.sigmoid(self.share(every))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.kinds = nn.Embedding(300, 16), nn.Embedding(2, 16)
        self.norm, self.mixed, self.head = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 3)

    def forward(self, words, kinds, mask, gain):
        seen = self.table(words) + self.kinds(kinds)
        parts = self.mixed(self.norm(seen)).view(-1, 12, 3, 2, 8).permute(2, 0, 3, 1, 4)
        bias = torch.where(mask, 0.0, -1e4)[:, None, None, :]
        mixed = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias)
        seen = seen + mixed.transpose(1, 2).reshape(-1, 12, 16)
        there = mask.unsqueeze(-1).float()
        return self.head((seen * there).sum(1) / (there.sum(1) + 1)) * gain[:, None], seen
"""


@pytest.fixture(scope="module", params=INPUTS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`net.py`, `x.pth` and the ONNX file of the two."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "net.py").write_text(CODE)
    torch.manual_seed(2)
    net, _ = resolve(f"{folder / 'net.py'}:{request.param}", {}, state={}, classes=None, channels=1)
    torch.save(net.state_dict(), folder / "x.pth")
    told = ModelSpec(inputs=tuple(parse_input(each) for each in INPUTS[request.param]))
    made = assemble(folder / "x.pth", f"{folder / 'net.py'}:{request.param}", told)
    onnx.export(made.module(), made.checkpoint.contract, folder / "x.onnx")
    return folder


Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def make(folder: Path, worker: Worker, browser: Browser) -> Make:
    """What a route makes of the ONNX file; each was held against its reference while it was made."""

    def made(route: str) -> Path:
        saved, target = folder / "saved", folder / route
        if not saved.is_dir():
            saved_model.export(*load_onnx(folder / "x.onnx"), saved, worker=worker, frozen=folder / "x.pb")
        if not target.exists():
            if route == "x.tflite":
                litert.export(saved, target, worker=worker)
            elif route == "official":
                tensorflowjs.export(saved, target, worker=worker, browser=browser)
            else:
                saved_model.export(*load_onnx(folder / "x.onnx"), target, worker=worker, converter="onnx2tf")
        return target

    return made


@pytest.mark.parametrize("route", ["saved", "x.pb", "x.tflite", "official", "onnx2tf"])
def test_it_goes_every_route(make: Make, folder: Path, route: str) -> None:
    _, contract = load_onnx(folder / "x.onnx")
    figures = comparing.compare(
        comparing.artefact_reference(folder / "x.onnx"),
        comparing.turns([make(route)])[:1],
        samples.samples_for(contract),
    )
    assert len(figures) == 2
    assert all(figure.ok for figure in figures)


@pytest.mark.parametrize(("route", "kind"), [("saved", "saved_model"), ("x.pb", "frozen"), ("x.tflite", "litert")])
def test_the_values_inside_can_be_read(
    make: Make, folder: Path, worker: Worker, browser: Browser, route: str, kind: str
) -> None:
    """As the bisection does."""
    _, contract = load_onnx(folder / "x.onnx")
    ends = ends_of(contract)
    path, inputs = make(route), samples.samples_for(contract)[0].inputs
    names = worker.call("values.tensor_names", path=path, kind=kind, **ends)
    read = worker.call("values.tensor_values", path=path, kind=kind, fed=inputs, names=names[:2], **ends)
    assert len(read["tensors"]) == 2
    with open_runtime(path, Resources(browser, worker)) as runtime:
        for name, answer in runtime(inputs).items():
            np.testing.assert_allclose(read["outputs"][name], answer, atol=1e-4)


def test_onnx_tf_gets_opset_15_of_other_peoples_code(folder: Path) -> None:
    needed("onnx-tf")
    arguments = ["--from", str(folder / "x.onnx"), "-o", str(folder / "onnx-tf"), "--frozen", str(folder / "older.pb")]
    asked = [*arguments, "--converter", "onnx-tf"]
    refused = CliRunner().invoke(tf, asked)
    assert refused.exit_code == 4
    assert "--arch NET" in refused.stderr
    arch = str(folder / load_onnx(folder / "x.onnx")[1].architecture.name)
    result = CliRunner().invoke(tf, [*asked, "--ckpt", str(folder / "x.pth"), "--arch", arch])
    assert result.exit_code == 0, result.output
    assert "tf-frozen" in result.stdout
