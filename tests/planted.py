"""This module has a small net and errors to plant in it; each error leaves a model that runs and is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from fer_export.contract import Architecture, Contract, Normalization, Output, PictureInput
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.formats.onnx import embed_contract, load_onnx, onnx_sha256
from fer_export.models import registry

Model = onnx.ModelProto
LABELS = ("calm", "happy", "sad", "angry")
#: Channels, height and width of what the net flattens.
_FLATTENED = (8, 4, 3)


class Planted(nn.Module):
    """Gray pictures, 16×12, to the logits of four classes and to four scores beside them."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.conv = nn.Conv2d(6, 8, 3, 2, 1)
        self.fc = nn.Linear(8 * 4 * 3, 12)
        self.classes = nn.Linear(12, num_classes)
        self.scores = nn.Linear(12, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(self.stem(x)).relu()
        x = self.fc(x.flatten(1)).relu()
        return self.classes(x), self.scores(x)


@cache
def checkpoint() -> Checkpoint:
    """The net with random weights, large enough that each of them matters."""
    torch.manual_seed(6)
    net = Planted(len(LABELS)).eval()
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -0.4, 0.4)
    state = net.state_dict()
    outputs = (("probabilities", "by label"), ("logits", "by label"), ("scores", "beside them"))
    contract = Contract(
        architecture=Architecture(name="planted", arguments={"num_classes": len(LABELS)}),
        labels=LABELS,
        inputs=(
            PictureInput(
                height=16, width=12, channels=1, color="gray", normalization=Normalization(mean=(120.0,), std=(60.0,))
            ),
        ),
        outputs=tuple(Output(name=name, shape=(len(LABELS),), meaning=meaning) for name, meaning in outputs),
        license="MIT",
        weights_sha256=weights_sha256(state),
    )
    return Checkpoint(contract, state)


@contextmanager
def registered() -> Iterator[None]:
    """The net among the architectures, so that every command knows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._FACTORIES, "planted", Planted)
        yield


def spoiled(error: str, model: Model) -> Model:
    """A copy with an error of `ERRORS`."""
    copy = Model()
    copy.CopyFrom(model)
    return ERRORS[error](copy)


def write(error: str, source: Path, path: Path) -> tuple[Model, Contract]:
    """Write an ONNX file with an error which claims, its hash included, to be another one; answers what it holds."""
    right, contract = load_onnx(source)
    model = spoiled(error, right)
    contract = contract.but(graph_sha256=onnx_sha256(model))
    embed_contract(contract, model)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return model, contract


def wrong_weight(model: Model) -> Model:
    """One value of the second convolution's kernel, the largest, is 5 % larger; passed over where it is cut off."""

    def change(array: np.ndarray) -> np.ndarray:
        array[np.unravel_index(np.abs(array).argmax(), array.shape)] *= 1.05
        return array

    return _constant(model, "net.conv.weight", change)


def swapped_kinds(model: Model) -> Model:
    """Probabilities and logits, which have the same shape."""
    return _swapped(model, "probabilities", "logits")


def swapped_heads(model: Model) -> Model:
    """Two outputs of the same shape and about the same values."""
    return _swapped(model, "logits", "scores")


def lost_activation(model: Model) -> Model:
    """The ReLU behind the second convolution is gone, and who read it reads the convolution."""
    node = named(model, "node_relu_1")
    if node is not None:
        for reader in model.graph.node:
            reader.input[:] = [node.input[0] if name == node.output[0] else name for name in reader.input]
        model.graph.node.remove(node)
    return model


def idle_activation(model: Model) -> Model:
    """The ReLU behind the first linear layer is an Identity."""
    node = named(model, "node_relu_2")
    if node is not None:
        node.op_type = "Identity"
    return model


def mistransposed(model: Model) -> Model:
    """The linear layer behind the flatten takes its columns in the order of channels last."""
    channels, height, width = _FLATTENED
    order = np.arange(channels * height * width).reshape(channels, height * width).T.ravel()
    return _constant(model, "net.fc.weight", lambda array: array[:, order])


#: Errors by name, and the operator that each is in: in ONNX's terms.
ERRORS: dict[str, Callable[[Model], Model]] = {
    function.__name__: function
    for function in (wrong_weight, swapped_kinds, swapped_heads, lost_activation, idle_activation, mistransposed)
}
PLACES = {
    "wrong_weight": ("Conv", "node_conv2d_1"),
    "swapped_kinds": ("Gemm", "node_linear_1"),
    "swapped_heads": ("Gemm", "node_linear_1"),
    "lost_activation": ("Relu", "node_relu_1"),
    "idle_activation": ("Relu", "node_relu_2"),
    "mistransposed": ("Gemm", "node_linear"),
}


def named(model: Model, name: str) -> onnx.NodeProto | None:
    """A node by its name."""
    return next((node for node in model.graph.node if node.name == name), None)


def _constant(model: Model, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Model:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = change(numpy_helper.to_array(tensor).copy())
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))
    return model


def _swapped(model: Model, first: str, second: str) -> Model:
    names = {first: second, second: first}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model
