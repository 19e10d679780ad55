"""These tests check GroupNormalization, which torch exports as three operators that do not suit channels last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_graphdef import Net, run_in_tfjs, to_onnx
from torch import Tensor, nn
from torch.nn import functional

from fer_export.runtimes import channels_first, channels_last
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph import convert
from fer_export.tfgraph.prepare import prepare


def settled(net: nn.Module) -> nn.Module:
    """Give every parameter a random value, so that no one or zero hides a mistake."""
    torch.manual_seed(3)
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -0.7, 0.7)
    return net


def between(norm: nn.Module) -> nn.Module:
    """A norm of 8 channels among convolutions."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))


def held(browser: Browser, folder: Path, net: nn.Module, shape: tuple[int, ...], *, free: bool = False) -> list[str]:
    """Check that TF.js computes what torch does, also at another size where it is free; return the operators."""
    net = settled(net).eval()
    graph = convert(to_onnx(net, shape, free=free))
    size = (9, 7) if free else shape[2:]
    pixels = np.random.default_rng(5).uniform(0, 255, (shape[0], *size, shape[1])).astype(np.float32)
    with torch.inference_mode():
        wanted = channels_last(net(torch.from_numpy(channels_first(pixels))).numpy())
    answer = run_in_tfjs(browser, graph, folder, pixels)
    assert answer.shape == wanted.shape
    np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    return [node.op for node in graph.nodes]


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(
    "norm", [nn.GroupNorm(2, 8), nn.GroupNorm(8, 8), nn.GroupNorm(1, 8), nn.GroupNorm(4, 8, eps=0.5, affine=False)]
)
def test_a_cnn_has_no_transpose(browser: Browser, tmp_path: Path, norm: nn.Module, free: bool) -> None:
    assert "Transpose" not in held(browser, tmp_path, between(norm), (2, 3, 12, 14), free=free)


def test_one_spatial_axis(browser: Browser, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv1d(3, 6, 3), nn.GroupNorm(3, 6))
    assert "Transpose" not in held(browser, tmp_path, net, (2, 3, 12))


def test_scale_and_bias_are_one_each() -> None:
    operators = convert(to_onnx(settled(between(nn.GroupNorm(2, 8))), (2, 3, 12, 14))).operators()
    assert (operators["Mul"], operators["AddV2"]) == (2, 2)


def other_end(x: Tensor) -> Tensor:
    """Normalize groups, but end in another shape than that of the input."""
    return functional.instance_norm(x.reshape(-1, 2, 3 * 4 * 5)).reshape(-1, 6, 5, 4)


def read_twice(x: Tensor) -> Tensor:
    """Normalize groups, and use the grouped values a second time."""
    groups = functional.instance_norm(x.reshape(-1, 2, 3 * 4 * 5))
    return groups.reshape(-1, 6, 4, 5) + groups.mean()


def by_column(x: Tensor) -> Tensor:
    """Multiply by something that is not a scale of channels."""
    return functional.group_norm(x, 2) * torch.arange(5.0)


@pytest.mark.parametrize(("function", "found"), [(other_end, 0), (read_twice, 0), (by_column, 1)])
def test_what_only_looks_like_one(browser: Browser, tmp_path: Path, function: Net, found: int) -> None:
    net = Net(function)
    operators = [node.op_type for node in prepare(to_onnx(net, (2, 6, 4, 5))).nodes]
    assert operators.count("GroupNormalization") == found
    held(browser, tmp_path, net, (2, 6, 4, 5))
