"""These tests check what CONTRIBUTING.md promises: a new architecture, runtime, operator or recipe is one new file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_export import models
from fer_export.runtimes.registry import names
from fer_export.tfgraph import operators  # noqa: F401  (fills the table)
from fer_export.tfgraph.registry import TABLE
from training import recipe

ROOT = Path(__file__).parent.parent

ARCHITECTURE = '''
"""A linear classifier of the mean of each channel."""

from torch import Tensor, nn

from fer_export.models.registry import register


class MeanLinear(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(1, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))


@register
def mean_linear(num_classes: int) -> nn.Module:
    """The mean pixel through one layer."""
    return MeanLinear(num_classes)
'''

RUNTIME = '''
"""ONNX's reference implementation in numpy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx.reference import ReferenceEvaluator

from fer_export.runtimes import Inputs, Outputs, Runtime, channels_first, channels_last
from fer_export.runtimes.registry import Resources, runtime


class OnnxReference:
    name = "onnx-reference"

    def __init__(self, path: Path) -> None:
        self.evaluator = ReferenceEvaluator(str(path))

    def __call__(self, inputs: Inputs) -> Outputs:
        answers = self.evaluator.run(None, {name: channels_first(part) for name, part in inputs.items()})
        return {name: channels_last(one) for name, one in zip(self.evaluator.output_names, answers, strict=True)}


@runtime("onnx-reference", "onnx", order=2)
@contextmanager
def open_onnx(path: Path, resources: Resources) -> Iterator[Runtime]:
    yield OnnxReference(path)
'''

OPERATOR = '''
"""Softsign, x / (1 + |x|)."""

from fer_export.tfgraph.layout import Value
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.elementwise import pointwise
from fer_export.tfgraph.registry import operator


@operator("Softsign")
def softsign(context: NodeContext) -> Value:
    def build(x: str) -> str:
        return context.tf("RealDiv", x, context.tf("AddV2", context.tf("Abs", x), 1.0))

    return pointwise(context, build)
'''

RECIPE = """
about: simple_cnn for one epoch
architecture: simple_cnn
data: {kind: drawn}
stages:
  - epochs: 1
    optimizer: {name: adam, learning_rate: 1.0e-3}
"""

#: Each file that is added, and its text.
ADDED = {
    "fer_export/models/mean_linear.py": ARCHITECTURE,
    "fer_export/runtimes/onnx_reference.py": RUNTIME,
    "fer_export/tfgraph/operators/softsign.py": OPERATOR,
    "training/recipes/one_epoch.yaml": RECIPE,
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of both packages with one more of each."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("fer_export", "training"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "browser"))
    for name, text in ADDED.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text.lstrip(), "utf-8")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copy's packages."""
    # The copy comes first on the path, so that neither the installed checkout nor the current folder is imported.
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def said(folder: Path, code: str) -> str:
    """What a script prints."""
    check = f"import fer_export; assert fer_export.__file__.startswith({str(folder)!r})\n"
    done = run(folder, "-c", check + code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_none_of_them_is_there_already() -> None:
    assert "mean_linear" not in models.names()
    assert "onnx-reference" not in names()
    assert "Softsign" not in TABLE
    assert "one_epoch" not in recipe.names()


def test_an_architecture(copy: Path) -> None:
    code = """
import torch
from fer_export import models
assert "mean_linear" in models.names()
print(*models.build("mean_linear", num_classes=3)(torch.zeros(2, 1, 48, 48)).shape)
"""
    assert said(copy, code) == "2 3"


#: A model of the new operator, with a contract.
MODEL = """
import numpy as np, onnx
from onnx import TensorProto, helper
sizes = ("n", 2, 3, 4)
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Softsign", ["x"], ["y"])], "one", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
"""


def test_a_runtime(copy: Path) -> None:
    code = """
from pathlib import Path
from fer_export.cli import verify
from fer_export.contract import Contract
from fer_export.formats.onnx import embed_contract, onnx_sha256
from fer_export.runtimes.registry import Resources, names, open_runtime
assert "onnx-reference" in names("onnx") and "onnx-reference" in verify.RUNTIMES
embed_contract(Contract.model_validate({
    "architecture": {"name": "x.py:X"},
    "inputs": [{"kind": "values", "name": "x", "shape": [2, 3, 4], "range": [-1, 1]}],
    "outputs": [{"name": "y", "shape": [3, 4, 2], "meaning": "softsign"}],
    "license": "MIT", "weights_sha256": "0" * 64, "graph_sha256": onnx_sha256(model), "conversion": {"hop": "onnx"},
}), model)
onnx.save(model, "one.onnx")
x = np.random.default_rng(0).normal(size=(5, 3, 4, 2)).astype(np.float32)
with Resources() as resources, open_runtime(Path("one.onnx"), resources, "onnx-reference") as runtime:
    y = runtime({"x": x})["y"]
print(runtime.name, np.abs(y - x / (1 + np.abs(x))).max() < 1e-6)
"""
    assert said(copy, MODEL + code) == "onnx-reference True"


def test_an_operator(copy: Path) -> None:
    code = """
from fer_export.tfgraph import convert
graph = convert(model)
print(*sorted(graph.operators()), graph.outputs["y"])
"""
    assert said(copy, MODEL + code) == "Abs AddV2 RealDiv (None, 3, 4, 2)"


def test_a_recipe(copy: Path) -> None:
    done = run(copy, "-m", "training", "recipes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {each["recipe"]: each["about"] for each in json.loads(done.stdout)["recipes"]}
    assert listed["one_epoch"] == "simple_cnn for one epoch"
