"""These tests convert small nets of torchvision's less convolutional families to TF.js with a free batch.

The nets themselves, at their own size, are run by `tools/graphdef/zoo.py`, which takes hours.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from tools.graphdef import tfjs_node
from torch import nn
from torchvision.models import convnext, densenet, maxvit, regnet, swin_transformer, vision_transformer

from fer_export.tfgraph import convert

#: Name → the net, the side of its pictures, and the most transposes that its graph may have.
FAMILIES: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "vision transformer": (
        lambda: vision_transformer.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5), 32, 9
    ),
    "swin": (
        lambda: swin_transformer.SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=5), 32, 40
    ),
    "swin v2": (
        lambda: swin_transformer.SwinTransformer(
            [4, 4], 16, [2], [2], [4, 4], num_classes=5, block=swin_transformer.SwinTransformerBlockV2,
            downsample_layer=swin_transformer.PatchMergingV2,
        ), 32, 20,
    ),
    "maxvit": (
        lambda: maxvit.MaxVit((32, 32), 8, 4, [8, 16], [1, 1], 8, stochastic_depth_prob=0.0, num_classes=5), 32, 40
    ),
    "convnext": (
        lambda: convnext.ConvNeXt(
            [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)], num_classes=5
        ), 32, 0,
    ),
    "regnet": (
        lambda: regnet.RegNet(regnet.BlockParams.from_init_params(2, 8, 10.0, 2.0, 4, 0.25), num_classes=5,
                              norm_layer=partial(nn.BatchNorm2d, eps=1e-5)), 32, 0,
    ),
    "densenet": (lambda: densenet.DenseNet(8, (2, 2), 8, num_classes=5), 32, 0),
}  # fmt: skip


@pytest.mark.skipif(tfjs_node.missing() is not None, reason=str(tfjs_node.missing()))
@pytest.mark.parametrize("name", FAMILIES)
def test_family(name: str) -> None:
    make, size, transposes = FAMILIES[name]
    torch.manual_seed(0)
    net = make().eval()
    for parameter in net.parameters():
        # Parameters that start as zero or one could hide a mistake.
        parameter.data += 0.1 * torch.randn_like(parameter)
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    x = torch.randn(2, 3, size, size)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, (x,), dynamo=True, verbose=False, opset_version=20, input_names=["x"], output_names=["y"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )  # fmt: skip
        wanted = net(x).numpy()
    assert program is not None
    graph = convert(program.model_proto)
    (outcome,) = tfjs_node.run([tfjs_node.Job(name, graph, [np.moveaxis(x.numpy(), 1, -1)])])
    assert outcome.error is None
    np.testing.assert_allclose(outcome.outputs[0], wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert graph.operators()["Transpose"] <= transposes, graph.operators()
