"""These tests check the zoo: each net is what its file says, all its weights learn, and every conversion works."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torchvision
from conftest import make_checkpoint
from torch import Tensor, nn

from fer_export import models, parity
from fer_export.contract import Contract
from fer_export.convert import onnx
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import write_tfjs
from fer_export.models.attention import Cbam
from fer_export.parity import samples
from fer_export.runtimes import channels_first
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime
from fer_export.tfgraph import convert

TOLERANCE = 1e-4


class Sizes(NamedTuple):
    """Hold the picture size in a net's docstring, and the smaller one that the tests use."""

    documented: int
    tried: int


SIZES = {
    "conv_stack": Sizes(48, 48),
    "emotion_cnn": Sizes(48, 48),
    "face_emotion_cnn": Sizes(48, 48),
    "face_emotion_cnn_attention": Sizes(48, 48),
    "face_pretrained": Sizes(160, 96),
    "fernet": Sizes(48, 48),
    "gray_resnet50": Sizes(224, 64),
    "plain_cnn": Sizes(48, 48),
    "resnet18_gray": Sizes(224, 64),
    "resnet50": Sizes(224, 64),
    "resnet9": Sizes(48, 48),
    "simple_cnn": Sizes(48, 48),
}
ZOO = {f"torchvision:{name}": 80 for name in ("mobilenet_v3_small", "googlenet", "inception_v3", "squeezenet1_1")}
TRIED = {name: size.tried for name, size in SIZES.items()} | ZOO
#: fernet and face_emotion_cnn are converted in test_parity, the nets of 20 M parameters in test_training_runs, after
#: a short training.
ELSEWHERE = {"fernet", "face_emotion_cnn", "face_pretrained", "resnet50", "gray_resnet50"}
ROAD = [name for name in SIZES if name not in ELSEWHERE] + ["torchvision:squeezenet1_1"]


def test_no_net_is_left_out_here() -> None:
    assert {*SIZES, "resnet18"} == set(models.names()), "resnet18 takes RGB and is tried in test_parity"


@pytest.mark.parametrize("name", SIZES)
def test_figures_of_the_docstring(name: str) -> None:
    with torch.device("meta"):
        net = models.build(name, num_classes=7).eval()
        x = torch.empty(1, 1, SIZES[name].documented, SIZES[name].documented)
    products = 0

    def count(module: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> None:
        nonlocal products
        products += output[0].numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    assert net(x).shape == (1, 7)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    said = " ".join((importlib.import_module(f"fer_export.models.{name}").__doc__ or "").split())
    assert f"{parameters / 1e6:.2f} M parameters and {products / 1e6:,.1f} M multiply-accumulates" in said


@pytest.mark.parametrize("name", TRIED)
def test_every_parameter_learns(name: str) -> None:
    size = TRIED[name]
    torch.manual_seed(0)
    net = models.build(name, num_classes=7).train()
    logits = net(torch.randn(4, 1, size, size))
    assert logits.shape == (4, 7)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()  # type: ignore[no-untyped-call]
    still = [key for key, value in net.named_parameters() if value.grad is None or not value.grad.any()]
    assert not still
    assert all(value.grad.isfinite().all() for value in net.parameters() if value.grad is not None)


def pictures(contract: Contract) -> Tensor:
    """The packaged pictures at the contract's size, [N, C, H, W], 0–255."""
    return torch.from_numpy(channels_first(samples.samples_for(contract)[0].single)).float()


def lifelike(name: str) -> Checkpoint:
    """Random weights with the batch statistics of the pictures, and logits that differ by about 1 between them.

    Without that the logits of a deep net of random weights are in the millionths or in the millions,
    and a tolerance of 1e-4 would say nothing.
    """
    made = make_checkpoint(name, TRIED[name])
    module = made.module()
    x = pictures(made.contract)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    module.train()
    with torch.no_grad():
        module(x)
        spread = module.eval()(x)[1].std(0).mean()
        kind = nn.Conv2d if "squeezenet" in name else nn.Linear
        *_, head = (layer for layer in module.modules() if isinstance(layer, kind))
        head.weight /= spread
    state = module.net.state_dict()
    return Checkpoint(made.contract.but(weights_sha256=weights_sha256(state)), state)


Made = tuple[Checkpoint, Path]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """A net's checkpoint and its ONNX file, through the exporter's own gate, once."""
    made: dict[str, Made] = {}

    def get(name: str) -> Made:
        if name not in made:
            loaded = lifelike(name)
            path = tmp_path_factory.mktemp("zoo") / "net.onnx"
            exported = onnx.export(loaded.module(), loaded.contract, path)
            assert max(figure.max_abs for figure in exported.figures) <= TOLERANCE
            made[name] = loaded, path
        return made[name]

    return get


@pytest.mark.parametrize("name", ROAD)
def test_checkpoint_and_onnx(road: Callable[[str], Made], tmp_path: Path, name: str) -> None:
    loaded, path = road(name)
    x = pictures(loaded.contract)
    with torch.inference_mode():
        wanted = loaded.module()(x)[1]
        assert wanted.std(0).mean() > 0.3, "the logits have to differ between pictures"
        checkpoint.save(loaded, tmp_path / "net.safetensors")
        assert torch.equal(checkpoint.load_checkpoint(tmp_path / "net.safetensors").module()(x)[1], wanted)
    contract = load_onnx(path)[1]
    assert contract.architecture == loaded.contract.architecture
    assert contract.inputs[0].channels == 1


@pytest.mark.parametrize("name", ROAD)
def test_tfjs(road: Callable[[str], Made], browser: Browser, tmp_path: Path, name: str) -> None:
    loaded, path = road(name)
    model, contract = load_onnx(path)
    graph = convert(model)
    assert graph.operators()["Transpose"] == 0
    write_tfjs(graph, contract, tmp_path, "float32")
    with browser.open(tmp_path, "wasm") as runtime:
        reference = TorchRuntime(loaded.module(), contract)
        figures = parity.measure_parity(reference, runtime, samples.samples_for(contract), contract)
    assert max(figure.max_abs for figure in figures) <= TOLERANCE
    parity.gate(figures)


def test_cbam_by_its_equations() -> None:
    torch.manual_seed(1)
    cbam = Cbam(32, reduction=16)
    x = torch.randn(2, 32, 5, 6)
    first, second = cbam.channel.down, cbam.channel.up
    assert first.bias is not None
    assert second.bias is not None
    one, two = first.bias, second.bias

    def perceptron(pooled: Tensor) -> Tensor:
        hidden = (pooled @ first.weight[:, :, 0, 0].T + one).clamp(min=0)
        return hidden @ second.weight[:, :, 0, 0].T + two

    assert first.weight.shape[:2] == (2, 32)
    flat = x.flatten(2)
    gate = 1 / (1 + torch.exp(-perceptron(flat.mean(2)) - perceptron(flat.max(2).values)))
    channels = x * gate[:, :, None, None]
    both = torch.stack([channels.mean(1), channels.max(1).values], 1)
    place = 1 / (
        1 + torch.exp(-nn.functional.conv2d(both, cbam.spatial.conv.weight, cbam.spatial.conv.bias, padding=3))
    )
    torch.testing.assert_close(cbam(x), channels * place)


def test_open_attention_leaves_the_baseline() -> None:
    torch.manual_seed(2)
    plain = models.build("face_emotion_cnn", num_classes=8).eval()
    attending = models.build("face_emotion_cnn_attention", num_classes=8).eval()
    added = set(attending.state_dict()) - set(plain.state_dict())
    assert {key.partition(".")[0] for key in added} == {f"cnn{index}_attention" for index in (5, 6, 7)}
    attending.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(3, 1, 48, 48)
    with torch.no_grad():
        assert not torch.allclose(attending(x), plain(x))
        for key in added:
            attending.get_parameter(key).fill_(50.0 if key.endswith("bias") else 0.0)
        torch.testing.assert_close(attending(x), plain(x))


def test_face_emotion_cnn_keeps_the_published_names() -> None:
    layers = {f"cnn{index}{end}" for index in range(1, 8) for end in ("", "_bn")} | {"fc1", "fc2", "fc3"}
    assert {key.rpartition(".")[0] for key in models.build("face_emotion_cnn", num_classes=8).state_dict()} == layers


@pytest.mark.parametrize("name", ["resnet50", "torchvision:resnet50"])
def test_gray_is_repeated_and_names_stay_torchvisions(name: str) -> None:
    net = models.build(name, num_classes=7).eval()
    reference = torchvision.models.resnet50(weights=None, num_classes=7)
    reference.fc = net.fc
    reference.load_state_dict(net.state_dict())
    x = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(x), reference.eval()(x.repeat(1, 3, 1, 1)))


def test_gray_resnet50_opens_its_embedding() -> None:
    net = models.build("gray_resnet50", num_classes=7).eval()
    theirs = torchvision.models.resnet50(weights=None).state_dict()
    trunk = {key for key in theirs if not key.startswith("fc.")}
    assert {key for key in net.state_dict() if not key.startswith("fc.")} == trunk
    x = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        embedding = net.embed(x)  # type: ignore[operator]
        assert embedding.shape == (2, 2048)
        torch.testing.assert_close(net(x), net.fc(embedding))  # type: ignore[operator]


def count(name: str, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in models.build(name, num_classes=7).modules())


def test_the_plain_nets_have_the_layers_of_their_names() -> None:
    assert [count("simple_cnn", kind) for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)] == [6, 3, 0]
    assert [count("resnet9", kind) for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)] == [8, 1, 8]
    assert [count("emotion_cnn", kind) for kind in (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)] == [6, 6, 3]


def test_dropout_stands_before_the_head() -> None:
    net = models.build("resnet18_gray", num_classes=7, dropout=0.25)
    assert isinstance(net.fc, nn.Sequential)
    assert isinstance(net.fc[0], nn.Dropout)
    assert net.fc[0].p == 0.25
    dropout = models.build("face_pretrained", num_classes=7, dropout=0.1).dropout
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.1


@pytest.mark.parametrize("name", ["torchvision:googlenet", "torchvision:inception_v3"])
def test_auxiliary_heads_are_off(name: str) -> None:
    net = models.build(name, num_classes=7)
    assert not [key for key in net.state_dict() if key.lower().startswith("aux")]
    x = torch.randn(2, 1, 80, 80)
    for mode in (True, False):
        logits = net.train(mode)(x)
        assert isinstance(logits, Tensor)
        assert logits.shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "arguments", "says", "hint"),
    [
        ("resnet18_grey", {}, "no architecture is named", "did you mean resnet18_gray?"),
        ("zzz", {}, "no architecture is named", "torchvision:NAME"),
        ("torchvision:mobilnet_v3_small", {}, "no classifier named", "torchvision:mobilenet_v3_small"),
        ("torchvision:", {}, "no classifier named", "torchvision:resnet18"),
        ("torchvision:fcn_resnet50", {}, "no classifier named", None),
        ("torchvision:resnet18", {"weights": "DEFAULT"}, "argument weights is not taken", None),
        ("torchvision:resnet18", {"pretrained": True}, "argument pretrained is not taken", None),
        ("torchvision:resnet18", {"depth": 3}, "unexpected keyword argument", None),
        ("resnet9", {"dropout": 2}, "architecture resnet9: dropout probability", None),
        ("simple_cnn", {"num_classes": -7}, "architecture simple_cnn: ", None),
    ],
)
def test_what_cannot_be_built(name: str, arguments: dict[str, object], says: str, hint: str | None) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        models.build(name, **{"num_classes": 7, **arguments})
    assert "\n" not in caught.value.reason
    assert hint is None or hint in (caught.value.hint or "")


def test_fernet_is_as_small_as_it_says() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net = models.build("fernet", num_classes=8).eval()
    assert sum(parameter.numel() for parameter in net.parameters()) < 1_000_000
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 48, 48))
    assert counter.get_total_flops() / 2 < 60e6
