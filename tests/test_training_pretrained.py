"""These tests check that pretrained weights are loaded as they are in the file, and that the run stops without them."""

from __future__ import annotations

import pickle
import urllib.request
from pathlib import Path

import pytest
import safetensors.torch
import torch
from facenet_pytorch import InceptionResnetV1
from torch import Tensor, nn
from torchvision import models as torchvision_models

from fer_export import models
from fer_export.errors import InvalidInputError, MissingDependencyError
from training.fit import pretrained

State = dict[str, Tensor]


def state_of(name: str) -> State:
    """The state dict of a torchvision net as its training leaves it: no batch statistic at its default."""
    torch.manual_seed(11)
    net = torchvision_models.get_model(name, weights=None, **({"init_weights": False} if name == "googlenet" else {}))
    return vary(net)


def vary(net: nn.Module) -> State:
    state: State = net.state_dict()
    for key, value in state.items():
        if key.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 1.5)
    return state


@pytest.fixture(scope="module")
def resnet18() -> State:
    return state_of("resnet18")


@pytest.fixture(scope="module")
def resnet50() -> State:
    return state_of("resnet50")


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def copied(net: nn.Module) -> State:
    return {key: value.clone() for key, value in net.state_dict().items()}


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def assert_loaded(net: nn.Module, before: State, source: State, head: str) -> None:
    """The trunk is the source's, a one-channel conv1 its mean over RGB, the head as it was built."""
    after = net.state_dict()
    for key, value in after.items():
        if key.startswith(head):
            assert torch.equal(value, before[key]), key
        elif key == "conv1.weight" and value.shape[1] == 1:
            red, green, blue = source[key].unbind(1)
            torch.testing.assert_close(value[:, 0], (red + green + blue) / 3)
        else:
            assert torch.equal(value, source[key]), key


@pytest.mark.parametrize("architecture", ["resnet18_gray", "torchvision:resnet18"])
def test_a_resnet18_file_fills_the_trunk_and_leaves_the_head(
    architecture: str, resnet18: State, tmp_path: Path
) -> None:
    net = models.build(architecture, num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, architecture, "imagenet", saved(resnet18, tmp_path / "resnet18.pth"))
    assert_loaded(net, before, resnet18, "fc.")


@pytest.mark.parametrize("architecture", ["resnet50", "gray_resnet50"])
def test_a_resnet50_file_fills_the_trunk_and_leaves_the_head(
    architecture: str, resnet50: State, tmp_path: Path
) -> None:
    net = models.build(architecture, num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, architecture, "imagenet", saved(resnet50, tmp_path / "resnet50.pth"))
    assert_loaded(net, before, resnet50, "fc.")


def test_a_vggface2_file_fills_the_trunk_and_leaves_the_head(tmp_path: Path) -> None:
    source = vary(InceptionResnetV1(pretrained=None, classify=True, num_classes=8631))
    net = models.build("face_pretrained", num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, "face_pretrained", "vggface2", saved(source, tmp_path / "vggface2.pt"))
    assert_loaded(net, before, source, "logits.")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("googlenet", "fc."),
        ("mobilenet_v3_small", "classifier.3."),
        ("mnasnet0_5", "classifier.1."),
        ("squeezenet1_1", "classifier.1."),
        ("densenet121", "classifier."),
        ("shufflenet_v2_x0_5", "fc."),
    ],
)
def test_any_torchvision_file(name: str, head: str, tmp_path: Path) -> None:
    source = state_of(name)
    old_names = source
    if name == "densenet121":
        old_names = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): source[key] for key in source}
        assert old_names.keys() != source.keys()
    net = models.build(f"torchvision:{name}", num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, f"torchvision:{name}", "imagenet", saved(dict(old_names), tmp_path / "net.pth"))
    assert_loaded(net, before, source, head)


@pytest.mark.parametrize("form", ["under state_dict", "with module.", "both", "safetensors", "without counted batches"])
def test_forms_of_a_local_file(form: str, resnet18: State, tmp_path: Path) -> None:
    parallel = {f"module.{key}": value for key, value in resnet18.items()}
    path = tmp_path / "net.pth"
    match form:
        case "under state_dict":
            saved({"state_dict": resnet18, "epoch": 3}, path)
        case "with module.":
            saved(parallel, path)
        case "both":
            saved({"state_dict": parallel}, path)
        case "safetensors":
            path = tmp_path / "net.safetensors"
            safetensors.torch.save_file(resnet18, path)
        case _:
            saved({key: value for key, value in resnet18.items() if "num_batches" not in key}, path)
    net = models.build("resnet18_gray", num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, "resnet18_gray", "imagenet", path)
    assert_loaded(net, before, resnet18, "fc.")


def refused(path: Path, architecture: str = "resnet18_gray") -> InvalidInputError:
    """The error of a file that is not loaded, after a look that the net is as it was."""
    net = models.build(architecture, num_classes=7)
    before = copied(net)
    with pytest.raises(InvalidInputError) as caught:
        pretrained.load_pretrained(net, architecture, "imagenet", path)
    assert same(before, net.state_dict())
    assert "\n" not in caught.value.reason
    return caught.value


def test_a_deeper_net_is_refused_with_what_does_not_fit(tmp_path: Path) -> None:
    path = saved(state_of("resnet34"), tmp_path / "resnet34.pth")
    error = refused(path)
    assert "layer1.2.conv1.weight" in error.reason
    assert "unexpected" in error.reason
    assert "missing" not in error.reason
    assert error.hint == "give the weights of resnet18"


def test_a_file_of_other_shapes_is_refused_with_both_shapes(resnet50: State, tmp_path: Path) -> None:
    error = refused(saved(resnet50, tmp_path / "resnet50.pth"))
    assert "layer1.0.conv1.weight [64, 64, 1, 1] instead of [64, 64, 3, 3]" in error.reason


def test_a_missing_layer_is_named(resnet18: State, tmp_path: Path) -> None:
    without = {key: value for key, value in resnet18.items() if key != "layer4.1.conv2.weight"}
    assert "layer4.1.conv2.weight missing" in refused(saved(without, tmp_path / "net.pth")).reason


def test_a_resnet_is_no_vgg(resnet18: State, tmp_path: Path) -> None:
    error = refused(saved(resnet18, tmp_path / "net.pth"), "torchvision:squeezenet1_1")
    assert "features.0.weight" in error.reason
    assert "conv1.weight" in error.reason


class Command:
    """What a pickle can do when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize("kind", ["truncated", "text", "code", "a list", "empty", "safetensors", "absent", "a net"])
def test_a_damaged_or_unsafe_file(
    kind: str, resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, says = tmp_path / "net.pth", "damaged"
    match kind:
        case "truncated":
            saved(resnet18, path)
            path.write_bytes(path.read_bytes()[:100_000])
        case "text":
            path.write_text("404 Not Found")
        case "code":
            path.write_bytes(pickle.dumps({"conv1.weight": Command()}))
        case "a list":
            saved([1, 2], path)
            says = "holds no state dict"
        case "empty":
            path.write_bytes(b"")
        case "safetensors":
            path = tmp_path / "net.safetensors"
            path.write_bytes(b"\x00" * 64)
        case "absent":
            says = "no file"
        case _:
            saved(nn.Linear(2, 2), path)
    error = refused(path)
    assert says in error.reason
    assert str(path) in error.reason
    assert capsys.readouterr().out == ""


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a proxy at a port where nobody listens: no address can be reached."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    # urllib keeps the proxies that it found when it was first used.
    monkeypatch.setattr(urllib.request, "_opener", None)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("architecture", "source", "address"),
    [
        ("resnet18_gray", "imagenet", "https://download.pytorch.org/models/resnet18-"),
        ("torchvision:vit_b_16", "imagenet", "https://download.pytorch.org/models/vit_b_16-"),
        ("face_pretrained", "vggface2", "https://github.com/timesler/facenet-pytorch/releases/"),
    ],
)
def test_weights_that_cannot_be_had_stop_the_run(
    architecture: str, source: pretrained.Source, address: str, torch_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = models.build(architecture, num_classes=7)
    before = copied(net)
    with pytest.raises(MissingDependencyError) as caught:
        pretrained.load_pretrained(net, architecture, source)
    error = caught.value
    assert error.exit_code == 3
    assert f"could not be had from {address}" in error.reason
    assert "refused" in error.reason
    assert "\n" not in error.reason
    assert error.hint == "give a local file: --weights FILE"
    assert same(before, net.state_dict())
    assert capsys.readouterr().out == "", "stdout is for --json"
    assert not [path for path in torch_home.rglob("*") if path.is_file()]


def cached(torch_home: Path, source: str, content: object) -> Path:
    """A file where the package's own loader keeps its download."""
    weights = torchvision_models.ResNet18_Weights.DEFAULT
    path = torch_home / "hub/checkpoints" / Path(weights.url).name
    if source == "vggface2":
        path = torch_home / "checkpoints" / "20180402-114759-vggface2.pt"
    path.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    return path


def test_the_packages_own_loader_reads_what_it_keeps(resnet18: State, torch_home: Path) -> None:
    cached(torch_home, "imagenet", resnet18)
    net = models.build("resnet18_gray", num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, "resnet18_gray", "imagenet")
    assert_loaded(net, before, resnet18, "fc.")


def test_facenets_own_loader_reads_what_it_keeps(torch_home: Path) -> None:
    source = vary(InceptionResnetV1(pretrained=None, classify=True, num_classes=8631))
    cached(torch_home, "vggface2", source)
    net = models.build("face_pretrained", num_classes=7)
    before = copied(net)
    pretrained.load_pretrained(net, "face_pretrained", "vggface2")
    assert_loaded(net, before, source, "logits.")


@pytest.mark.parametrize(("architecture", "source"), [("resnet18", "imagenet"), ("face_pretrained", "vggface2")])
def test_a_damaged_copy_in_the_cache_is_named(architecture: str, source: pretrained.Source, torch_home: Path) -> None:
    path = cached(torch_home, source, b"half a download")
    with pytest.raises(MissingDependencyError, match="damaged") as caught:
        pretrained.load_pretrained(models.build(architecture, num_classes=7), architecture, source)
    assert caught.value.hint is not None
    assert f"delete {path}" in caught.value.hint


@pytest.mark.parametrize(
    ("architecture", "source", "says"),
    [
        ("resnet9", "imagenet", "no pretrained weights for resnet9"),
        ("resnet18_gray", "vggface2", "no vggface2 weights for resnet18_gray"),
        ("face_pretrained", "imagenet", "no imagenet weights for face_pretrained"),
        ("resnet50", "imagnet", "no source of weights is named 'imagnet'"),
    ],
)
def test_weights_that_do_not_exist(architecture: str, source: pretrained.Source, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        pretrained.load_pretrained(models.build(architecture, num_classes=7), architecture, source)


def test_the_teacher_is_the_rgb_net_and_stays_frozen(resnet50: State, tmp_path: Path) -> None:
    path = saved(resnet50, tmp_path / "resnet50.pth")
    teacher = pretrained.embedding_teacher("imagenet", path)
    around = nn.ModuleList([teacher]).train()
    assert around.training
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())

    gray = models.build("gray_resnet50", num_classes=7).eval()
    pretrained.load_pretrained(gray, "gray_resnet50", "imagenet", path)
    x = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        wanted = teacher(x.repeat(1, 3, 1, 1))
        assert wanted.shape == (2, 2048)
        # The gray channel three times over is the sum over RGB: what stage 0 can reach.
        gray.get_parameter("conv1.weight").mul_(3)
        torch.testing.assert_close(gray.embed(x), wanted, rtol=1e-3, atol=1e-3 * wanted.abs().max().item())  # type: ignore[operator]
