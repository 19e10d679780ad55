"""These tests check the direct writer: each operator in the layouts that networks use, run by TF.js."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import make_checkpoint
from torch import Tensor, nn

from fer_export.errors import UnsupportedOperatorError
from fer_export.formats.tfjs import write_tfjs
from fer_export.runtimes import channels_first, channels_last
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph import Graph, convert
from fer_export.tfgraph.graph import Node
from fer_export.tfgraph.layout import flattened_columns
from fer_export.tfgraph.passes.fuse_bias_activation import fuse_bias_activation


def to_onnx(module: nn.Module, shape: tuple[int, ...], *, free: bool = False) -> onnx.ModelProto:
    """A module of one input and one output `y` as an ONNX model with a dynamic batch."""
    dynamic = {0: torch.export.Dim.DYNAMIC}
    if free:
        dynamic |= {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        module.eval(), (torch.zeros(shape),), dynamo=True, verbose=False,
        input_names=["x"], output_names=["y"], dynamic_shapes=(dynamic,),
    )  # fmt: skip
    assert program is not None
    return program.model_proto


class Net(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(
            value
            for value in (cell.cell_contents for cell in function.__closure__ or ())
            if isinstance(value, nn.Module)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def with_linear(function: Callable[[Tensor], Tensor], features: int) -> nn.Module:
    """A function followed by a linear layer."""
    linear = nn.Linear(features, 5)
    return Net(lambda x: linear(function(x)))


def spatial_flatten(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2).flatten(1).relu()


CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "convolution, stride 2, even size": (nn.Conv2d(3, 4, 3, 2, 1), (2, 3, 8, 10)),
    "convolution, dilated": (nn.Conv2d(3, 4, 3, dilation=2, padding=1), (2, 3, 9, 9)),
    "convolution, uneven padding": (nn.Sequential(nn.ZeroPad2d(0), nn.Conv2d(3, 4, (3, 5), 1, (0, 2))), (2, 3, 9, 9)),
    "depthwise": (nn.Conv2d(6, 6, 3, 1, 1, groups=6), (2, 6, 7, 7)),
    "depthwise, stride 2, relu6": (nn.Sequential(nn.Conv2d(6, 6, 5, 2, 2, groups=6), nn.ReLU6()), (2, 6, 8, 8)),
    "max-pool, ceil, odd": (nn.MaxPool2d(3, 2, ceil_mode=True), (2, 3, 11, 8)),
    "max-pool, padded, negative values": (nn.Sequential(nn.Conv2d(3, 3, 1), nn.MaxPool2d(3, 2, 1)), (2, 3, 9, 9)),
    "average pool, padded": (nn.AvgPool2d(3, 2, 1), (2, 3, 9, 9)),
    "prelu by channel": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4)), (2, 3, 6, 6)),
    "prelu after linear": (nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.PReLU(6)), (2, 3, 2, 2)),
    "leaky, sigmoid, tanh": (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.LeakyReLU(0.2), nn.Sigmoid(), nn.Tanh()),
        (2, 3, 5, 5),
    ),
    "elu and clip": (Net(lambda x: nn.functional.hardtanh(nn.functional.elu(x - 100), -0.5, 3.0)), (2, 3, 5, 5)),
    "hard swish": (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Hardswish(), nn.Hardsigmoid()), (2, 3, 5, 5)),
    "batch norm that cannot be folded": (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3), nn.ReLU()), (2, 3, 5, 5)),
    "flatten, permuted, then linear": (with_linear(lambda x: x.flatten(1), 3 * 4 * 5), (2, 3, 4, 5)),
    "transpose, flatten, relu, linear": (with_linear(spatial_flatten, 3 * 4 * 5), (2, 3, 4, 5)),
    "flatten, then something else": (Net(lambda x: x.flatten(1) * torch.arange(60.0)), (2, 3, 4, 5)),
    "flatten, relu, softmax": (Net(lambda x: x.flatten(1).relu().mul(0.01).softmax(1)), (2, 3, 4, 5)),
    "softmax over channels": (Net(lambda x: (x * 0.01).softmax(1)), (2, 3, 4, 5)),
    "log-softmax over width": (Net(lambda x: (x * 0.01).log_softmax(3)), (2, 3, 4, 5)),
    "mean over space, kept": (Net(lambda x: x.mean((2, 3), keepdim=True) * x), (2, 3, 4, 5)),
    "mean over channels": (Net(lambda x: x.mean(1)), (2, 3, 4, 5)),
    "max over height": (Net(lambda x: x.amax(2)), (2, 3, 4, 5)),
    "broadcast of rank 1": (Net(lambda x: x + torch.arange(5.0)), (2, 3, 4, 5)),
    "broadcast of rank 3": (Net(lambda x: x / (1 + torch.arange(3.0)[:, None, None])), (2, 3, 4, 5)),
    "a constant on the left": (Net(lambda x: 1 - x), (2, 3, 4, 5)),
    "two layouts added": (Net(lambda x: x + x.transpose(2, 3)), (2, 3, 4, 4)),
    "lower rank added": (Net(lambda x: x + x.mean((0, 1))), (2, 3, 4, 5)),
    "concat over channels": (Net(lambda x: torch.cat([x, x.relu()], 1)), (2, 3, 4, 5)),
    "concat over width": (Net(lambda x: torch.cat([x, -x], 3)), (2, 3, 4, 5)),
    "reshape that mixes axes": (Net(lambda x: x.reshape(-1, 4, 3, 5)), (2, 3, 4, 5)),
    "grouped": (nn.Conv2d(6, 4, 3, padding=1, groups=2), (2, 6, 7, 7)),
    "one spatial axis": (nn.Conv1d(3, 4, 3, padding=1), (2, 3, 9)),
    "stride and dilation": (nn.Conv2d(3, 4, 3, stride=2, dilation=2, padding=2), (2, 3, 11, 11)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (2, 4, 5, 6)),
    "max-pool, dilated": (nn.MaxPool2d(2, dilation=2), (2, 3, 8, 8)),
    "average pool, ceil, padded": (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 10, 10)),
    "adaptive pool": (nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 8, 9)),
    "elu of another alpha": (Net(lambda x: nn.functional.elu(x - 100, 0.5)), (2, 3, 4, 4)),
    "running sum": (Net(lambda x: torch.cumsum(x, 1)), (2, 3, 4, 4)),
    "gelu, silu": (Net(lambda x: nn.functional.gelu(x - 100) + nn.functional.silu(x - 100)), (2, 3, 4, 4)),
    "layer norm over channels": (
        Net(lambda x: nn.functional.layer_norm(x.permute(0, 2, 3, 1), (3,)).permute(0, 3, 1, 2)),
        (2, 3, 4, 5),
    ),
    "channel shuffle": (Net(lambda x: x.reshape(-1, 2, 3, 4, 5).transpose(1, 2).reshape(-1, 6, 4, 5)), (2, 6, 4, 5)),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4, 5)),
    "bicubic": (nn.Upsample(size=(7, 9), mode="bicubic", align_corners=True), (2, 3, 4, 5)),
    "attention of patches": (
        Net(
            lambda x: nn.functional.scaled_dot_product_attention(
                *[x.flatten(2).transpose(1, 2).unsqueeze(1) * 0.01] * 3
            )
        ),
        (2, 6, 4, 5),
    ),
    "slices and where": (Net(lambda x: torch.where(x[:, :, ::2, 1:] > 99, x[:, :, ::2, :-1], 0)), (2, 3, 6, 5)),
    "unsqueeze, squeeze": (Net(lambda x: x.unsqueeze(2).squeeze(2).sqrt()), (2, 3, 4, 5)),
}


def run_in_tfjs(browser: Browser, graph: Graph, folder: Path, pixels: np.ndarray) -> np.ndarray:
    """What TF.js answers for `y`, channels last."""
    contract = make_checkpoint().contract
    write_tfjs(graph, contract, folder, "float32")
    with browser.open(folder, "wasm") as runtime:
        return runtime(dict.fromkeys(graph.inputs, pixels))["y"]


@pytest.mark.parametrize("name", CASES)
def test_operator(browser: Browser, tmp_path: Path, name: str) -> None:
    module, shape = CASES[name]
    torch.manual_seed(3)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.7, 0.7)
    rng = np.random.default_rng(5)
    pixels = rng.uniform(0, 255, (shape[0], *shape[2:], shape[1])).astype(np.float32)
    graph = convert(to_onnx(module, shape))
    answer = run_in_tfjs(browser, graph, tmp_path, pixels)
    with torch.inference_mode():
        wanted = channels_last(module(torch.from_numpy(channels_first(pixels))).numpy())
    assert answer.shape == wanted.shape
    np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_free_height_and_width(browser: Browser, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.PReLU(4), nn.MaxPool2d(2, 2, ceil_mode=True))
    graph = convert(to_onnx(net, (2, 3, 12, 14), free=True))
    assert graph.inputs["x"] == (None, None, None, 3)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 9, 7, 3)).astype(np.float32)
    with torch.inference_mode():
        wanted = channels_last(net(torch.from_numpy(channels_first(pixels))).numpy())
    np.testing.assert_allclose(run_in_tfjs(browser, graph, tmp_path, pixels), wanted, rtol=1e-4, atol=1e-3)


def test_a_plain_cnn_is_fused_and_has_no_transpose() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.PReLU(6), nn.Flatten(),
        nn.Linear(6 * 4, 7), nn.Sigmoid(), nn.Linear(7, 2),
    )  # fmt: skip
    operators = convert(to_onnx(net, (2, 3, 10, 10))).operators()
    assert operators == {"_FusedConv2D": 2, "MaxPool": 1, "Reshape": 1, "_FusedMatMul": 2}


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (Net(lambda x: torch.linalg.det(x * 2)), (2, 3, 4, 4), r"operator Det, node '.*': this operator is not known"),
        (
            Net(lambda x: (x.double() * 2).float()),
            (2, 3, 4, 4),
            r"operator \w+, node '.*': .* type double.* TF.js lacks",
        ),
    ],
)
def test_what_is_not_known_is_named(module: nn.Module, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=says):
        convert(to_onnx(module, shape))


def test_an_attribute_that_is_not_known_is_named() -> None:
    model = to_onnx(nn.Conv2d(3, 4, 3), (2, 3, 6, 6))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("colour", 1))
    with pytest.raises(UnsupportedOperatorError, match=r"operator Conv, node .*: its attribute colour"):
        convert(model)


def test_flattened_columns_by_hand() -> None:
    # ONNX [C=2, W=3] in TensorFlow's order [W, C]: its columns hold c0w0, c1w0, c0w1, …
    assert flattened_columns((2, 3), (0, 2, 1)).tolist() == [0, 3, 1, 4, 2, 5]


class TestFuseBiasActivation:
    """The rules of the pass, by number."""

    @staticmethod
    def graph(*nodes: Node, outputs: tuple[str, ...] = ("last",)) -> Graph:
        constants = {"w": np.zeros((1, 1, 1, 1), np.float32), "b": np.zeros(1, np.float32)}
        first = [Node("x", "Placeholder"), *(Node(name, "Const") for name in constants)]
        shape = (None, 2, 2, 1)
        return Graph([*first, *nodes], {"x": shape}, dict.fromkeys(outputs, shape), constants)

    def test_rules_1_and_2(self) -> None:
        graph = self.graph(
            Node("conv", "Conv2D", ("x", "w"), {"padding": "SAME"}),
            Node("bias", "BiasAdd", ("conv", "b")),
            Node("last", "Relu", ("bias",)),
        )
        fuse_bias_activation(graph)
        graph.prune()
        last = graph.nodes[-1]
        assert (last.name, last.op, last.inputs) == ("last", "_FusedConv2D", ("x", "w", "b"))
        assert last.attributes["fused_ops"] == ("BiasAdd", "Relu")
        assert last.attributes["num_args"] == 1
        assert graph.operators() == {"_FusedConv2D": 1}

    def test_a_value_that_others_read_is_left_alone(self) -> None:
        graph = self.graph(
            Node("conv", "Conv2D", ("x", "w")),
            Node("bias", "BiasAdd", ("conv", "b")),
            Node("relu", "Relu", ("bias",)),
            Node("last", "AddV2", ("relu", "bias")),
        )
        fuse_bias_activation(graph)
        graph.prune()
        assert graph.operators() == {"_FusedConv2D": 1, "Relu": 1, "AddV2": 1}

    def test_an_output_is_left_alone(self) -> None:
        graph = self.graph(
            Node("conv", "Conv2D", ("x", "w")),
            Node("bias", "BiasAdd", ("conv", "b")),
            Node("last", "Relu", ("bias",)),
            outputs=("last", "bias"),
        )
        fuse_bias_activation(graph)
        assert {node.name: node.op for node in graph.nodes[3:]}["last"] == "Relu"

    def test_only_one_activation_is_taken(self) -> None:
        graph = self.graph(
            Node("conv", "Conv2D", ("x", "w")),
            Node("bias", "BiasAdd", ("conv", "b")),
            Node("relu", "Relu", ("bias",)),
            Node("last", "Sigmoid", ("relu",)),
        )
        fuse_bias_activation(graph)
        graph.prune()
        assert graph.operators() == {"_FusedConv2D": 1, "Sigmoid": 1}


def test_reading_onnx_and_writing_tfjs_want_no_torch() -> None:
    code = "import sys; from fer_export import tfgraph; from fer_export.convert import onnx, tfjs; "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
