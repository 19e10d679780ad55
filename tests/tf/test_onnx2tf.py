"""These tests check that what onnx2tf converts wrongly is wrong without our rewrite, and right with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from fer_export.contract import Architecture, Contract, Normalization, Output, PictureInput
from fer_export.convert.onnx import to_onnx
from fer_export.convert.onnx2tf import for_onnx2tf
from fer_export.errors import InvalidInputError
from fer_export.runtimes import tensorflow
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.tfenv.worker import Worker

Model = onnx.ModelProto
Worst = Callable[[Model, Model], float]


def model_of(nodes: list[onnx.NodeProto], shape: list[str | int]) -> Model:
    """An ONNX model from `pixels` of a shape to `y`."""
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "case", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


class Normalized(nn.Module):
    """Vectors of length 1: torch's exporter writes an Expand to a shape that is computed in the graph."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        return (nn.functional.normalize(self.conv(pixels / 255), dim=1),)


def normalized() -> Model:
    """`Normalized`, as this project exports a model."""
    contract = Contract(
        architecture=Architecture(name="normalized"),
        inputs=(
            PictureInput(
                height=9,
                width=7,
                channels=3,
                color="rgb",
                normalization=Normalization(mean=(0.0,) * 3, std=(255.0,) * 3),
            ),
        ),
        outputs=(Output(name="y", shape=(7, 5, 8), meaning="of length 1"),),
        license="MIT",
        weights_sha256="0" * 64,
    )
    return to_onnx(Normalized(), contract, opset=20, batch=None)


def attention() -> Model:
    """A mask of the sizes of what it is added to, and a reshape to them: both computed in the graph."""
    shape = helper.make_node("Shape", ["pixels"], ["shape"], "shape", start=2)
    ones = helper.make_node("ConstantOfShape", ["shape"], ["ones"], "ones",
                            value=helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]))  # fmt: skip
    upper = helper.make_node("Trilu", ["ones"], ["mask"], "mask")
    masked = helper.make_node("Add", ["pixels", "mask"], ["masked"], "masked")
    softmax = helper.make_node("Softmax", ["masked"], ["y"], "softmax", axis=-1)
    return model_of([shape, ones, upper, masked, softmax], ["N", 3, 9, 7])


def pool() -> Model:
    """A pool in ceil mode, whose input has any size."""
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    return model_of([helper.make_node("MaxPool", ["pixels"], ["y"], "pool", **attributes)], ["N", 3, "H", "W"])


@pytest.fixture
def worst(worker: Worker, tmp_path: Path) -> Worst:
    """The largest difference between a model in onnxruntime and one through onnx2tf."""
    inputs = {"pixels": np.random.default_rng(3).uniform(0, 255, (3, 9, 7, 3)).astype(np.float32)}

    def measure(reference: Model, model: Model) -> float:
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        worker.call(
            "run_onnx2tf.convert",
            model=tmp_path / "model.onnx",
            directory=tmp_path / "saved",
            entries=[{"name": "pixels", "shape": [None, 9, 7, 3], "dtype": "float32"}],
            outputs=["y"],
            shapes=[[8, 5, 7]],
            contract="{}",
        )
        with tensorflow.saved_model(worker, tmp_path / "saved") as runtime:
            got = runtime(inputs)["y"]
        wanted = OnnxRuntime(reference.SerializeToString())(inputs)["y"]
        return float(np.abs(wanted - got).max()) if wanted.shape == got.shape else float("inf")

    return measure


@pytest.mark.parametrize("make", [pool, normalized, attention])
def test_it_fails_without_the_rewrite_and_not_with_it(worst: Worst, make: Callable[[], Model]) -> None:
    model = make()
    try:
        without = worst(model, model)
    except InvalidInputError:
        without = float("inf")
    assert without > 0.1, "onnx2tf has learnt it: the rewrite can go"
    assert worst(model, for_onnx2tf(model)) < 1e-4


@pytest.mark.parametrize(("kernel", "stride", "pads"), [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 3, 1), (3, 1, 1)])
def test_the_rewritten_pool_is_the_same_pool(kernel: int, stride: int, pads: int) -> None:
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pads] * 4, "ceil_mode": 1}
    model = model_of([helper.make_node("MaxPool", ["pixels"], ["y"], "pool", **attributes)], ["N", 3, "H", "W"])
    first, second = (OnnxRuntime(one.SerializeToString()) for one in (model, for_onnx2tf(model)))
    for height, width in ((9, 7), (8, 10), (11, 6)):
        inputs = {"pixels": np.random.default_rng(height).uniform(-9, 9, (2, height, width, 3))}
        assert np.array_equal(first(inputs)["y"], second(inputs)["y"])


def test_an_expand_that_something_else_reads_stays() -> None:
    shape = helper.make_node("Shape", ["pixels"], ["shape"], "shape")
    expand = helper.make_node("Expand", ["pixels", "shape"], ["wide"], "expand")
    concat = helper.make_node("Concat", ["pixels", "wide"], ["y"], "concat", axis=1)
    model = model_of([shape, expand, concat], ["N", 3, 9, 7])
    assert for_onnx2tf(model).graph.node == model.graph.node


@pytest.mark.parametrize("shape", [[2, 3, 9, 7], ["N", 3, 9, 7], [2, 1, 9, 7]])
def test_nothing_goes_to_the_network(shape: list[str | int]) -> None:
    model = model_of([helper.make_node("Relu", ["pixels"], ["y"], "relu")], shape)
    if shape[:2] == [2, 3]:
        with pytest.raises(InvalidInputError, match="from the network"):
            for_onnx2tf(model)
    else:
        assert for_onnx2tf(model).graph.node == model.graph.node
