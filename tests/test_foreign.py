"""These tests check that other projects' checkpoints, in whatever form, are exported, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from fer_export import models
from fer_export.contract import Contract
from fer_export.convert import onnx, tfjs
from fer_export.errors import ContractError, FerExportError, InvalidInputError, UsageError
from fer_export.faces.align import crop
from fer_export.faces.face import Face
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.importing.architecture import resolve
from fer_export.importing.assemble import ImportedModel, ModelSpec, assemble, rebuild
from fer_export.importing.options import parse_arguments, parse_input, parse_labels, parse_normalization
from fer_export.importing.probe_outputs import kind_of
from fer_export.models import guess_architecture
from fer_export.parity.samples import samples_for
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser

Call = Callable[..., tuple[int, str, str]]
LABELS = ("anger", "happiness", "neutral")
#: Somebody's training code, as it lies beside their checkpoints.
CODE = """
import torch
from torch import nn
from blocks import Trunk

class Net(nn.Module):
    def __init__(self, num_classes=3, channels=1, end="logits"):
        super().__init__()
        self.trunk, self.head, self.end = Trunk(channels), nn.Linear(8, num_classes), end

    def forward(self, x):
        y = self.head(self.trunk(x).mean((2, 3)))
        ends = {"softmax": lambda: y.softmax(1), "log_softmax": lambda: y.log_softmax(1), "sigmoid": y.sigmoid}
        return ends[self.end]() if self.end in ends else y

class Moods(nn.Module):
    # Labels, two numbers, a map, and the index of the best label.
    def __init__(self):
        super().__init__()
        self.trunk, self.head, self.mood = Trunk(3), nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x):
        maps = self.trunk(x)
        pooled = maps.mean((2, 3))
        y = self.head(pooled)
        mood = self.mood(pooled).tanh()
        return {"mood": mood, "expression": y, "best": y.argmax(1), "heat-map": maps, "relu": pooled}

class Moody(Net):
    def forward(self, x):
        y = super().forward(x)
        return y if y.sum() > 0 else -y

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.face, self.eyes, self.head = Trunk(1), Trunk(3), nn.Linear(16, 3)

    def forward(self, face, eyes):
        return self.head(torch.cat([self.face(face).mean((2, 3)), self.eyes(eyes).mean((2, 3))], 1))

def make(num_classes, depth=1):
    return nn.DataParallel(Net(num_classes))

def sided(x):
    return "not a net"

def broken():
    raise ValueError("weights are to be downloaded")
"""
BLOCKS = """
from torch import nn

class Trunk(nn.Sequential):
    def __init__(self, channels):
        super().__init__(nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `--arch` names, with a module beside it."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / "net.py").write_text(CODE)
    return folder / "net.py"


def build(code: Path, name: str = "Net", **arguments: Any) -> nn.Module:
    """A net of theirs with weights and statistics that matter."""
    torch.manual_seed(3)
    net, _ = resolve(f"{code}:{name}", arguments, state={}, classes=None, channels=1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=2.0)
    return net


def told(size: str = "1x40x40", **more: Any) -> ModelSpec:
    return ModelSpec(inputs=(parse_input(size),), **more)


def probabilities(assembled: ImportedModel) -> Tensor:
    with torch.inference_mode():
        answer: Tensor = assembled.module()(pictures(assembled.checkpoint.contract))[0]
    return answer


def pictures(contract: Contract) -> Tensor:
    """The packaged pictures, [N, C, H, W], 0–255."""
    return torch.from_numpy(samples_for(contract)[0].single).permute(0, 3, 1, 2).float()


def lightning(net: nn.Module) -> dict[str, Any]:
    """As Lightning writes it: the net is `self.model`, and the loss has weights."""
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    return {
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {**state, "criterion.weight": torch.ones(3)},
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "hyper_parameters": {"lr": 0.1},
    }


SHAPES: dict[str, Callable[[nn.Module], Any]] = {
    "plain": lambda net: net.state_dict(),
    "state_dict": lambda net: {"epoch": 3, "state_dict": net.state_dict(), "best": 0.7},
    "model_state_dict": lambda net: {"model_state_dict": net.state_dict(), "optimizer": {"state": {}}},
    "among other entries": lambda net: {**net.state_dict(), "epoch": 3},
    "DataParallel": lambda net: nn.DataParallel(net).state_dict(),
    "Lightning": lightning,
    "torch.compile": lambda net: torch.compile(net, backend="eager").state_dict(),
    "torch.compile inside": lambda net: {f"model._orig_mod.{k}": v for k, v in net.state_dict().items()},
    "EMA": lambda net: torch.optim.swa_utils.AveragedModel(net).state_dict(),
    "half": lambda net: {name: value.half() for name, value in net.state_dict().items()},
    "no counters": lambda net: {k: v for k, v in net.state_dict().items() if "num_batches" not in k},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_checkpoint_computes_what_the_net_did(code: Path, tmp_path: Path, shape: str) -> None:
    net = build(code)
    torch.save(SHAPES[shape](net), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", f"{code}:Net", told(mean="0.4", std="0.2", labels=LABELS))
    with torch.inference_mode():
        wanted = net((pictures(made.checkpoint.contract) / 255 - 0.4) / 0.2).softmax(1)
    assert (probabilities(made) - wanted).abs().max() < (2e-2 if shape == "half" else 1e-5)


def test_safetensors_without_a_contract(code: Path, tmp_path: Path) -> None:
    net = build(code)
    safetensors.torch.save_file(net.state_dict(), tmp_path / "x.safetensors")
    made = assemble(tmp_path / "x.safetensors", f"{code}:Net", told(labels=LABELS))
    assert made.checkpoint.contract.labels == LABELS


def test_what_was_assumed_is_said(code: Path, tmp_path: Path) -> None:
    net = build(code)
    torch.save({"state_dict": lightning(net)["state_dict"], "state_dict_ema": net.state_dict()}, tmp_path / "x.pth")
    said = " | ".join(assemble(tmp_path / "x.pth", f"{code}:Net", told()).assumed)
    for sentence in (
        "entry 'state_dict', not state_dict_ema",
        "'model.' is taken off",
        "takes pixels / 255, without mean and std",
        "licence of the weights is not stated",
        "1 tensors outside 'model.' are left out: criterion.weight [3]",
        "holds logits: they lie between",
        "labels are class_0 to class_2",
        "softmax is appended",
    ):
        assert sentence in said
    other = assemble(tmp_path / "x.pth", f"{code}:Net", told(), entry="state_dict_ema").assumed
    assert not any("left out" in sentence for sentence in other)


# What the numbers are.


@pytest.mark.parametrize(
    ("end", "names", "meaning"),
    [
        ("logits", ["probabilities", "logits"], "softmax of the logits"),
        ("log_softmax", ["probabilities", "logits"], "softmax of the logits"),
        ("softmax", ["probabilities"], "sums to 1"),
        ("sigmoid", ["probabilities"], "behind a sigmoid"),
    ],
)
def test_the_end_of_the_net_is_measured(code: Path, tmp_path: Path, end: str, names: list[str], meaning: str) -> None:
    net = build(code, end=end)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=LABELS), arguments={"end": end})
    contract = made.checkpoint.contract
    assert [output.name for output in contract.outputs] == names
    assert meaning in contract.outputs[0].meaning
    rows = probabilities(made)
    with torch.inference_mode():
        own = net(pictures(contract) / 255)
    wanted = {"logits": own.softmax(1), "log_softmax": own.exp()}.get(end, own)
    torch.testing.assert_close(rows, wanted, atol=1e-6, rtol=0)


def test_the_kind_can_be_told(code: Path, tmp_path: Path) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    contract = assemble(tmp_path / "x.pth", f"{code}:Net", told(kind="values")).checkpoint.contract
    assert [output.name for output in contract.outputs] == ["output"]
    assert contract.labels == ()


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[0.2], [1.0]], "values"),
        ([[0.2, 0.8], [1.0, 0.0]], "probabilities"),
        ([[0.2, 0.9], [0.8, 0.7]], "probabilities"),
        ([[0.6, 0.8], [1.0, 0.0]], "values"),
        ([[0.1, 0.2], [0.15, 0.0]], "logits"),
        ([[-0.1, -0.2], [-3.0, -1.0]], "logits"),
        ([[-0.6931472, -0.6931472]], "log-probabilities"),
    ],
)
def test_numbers_tell_their_kind(rows: list[list[float]], kind: str) -> None:
    assert kind_of(np.array(rows, np.float32))[0] == kind


# Normalisation, labels, input.


@pytest.mark.parametrize("scale", ["1/255", "0.00392156862745098", "1", "2/255"])
def test_normalisation_means_what_everybody_means(scale: str) -> None:
    factor = {"1": 1.0, "2/255": 2 / 255}.get(scale, 1 / 255)
    means, stds = [0.485 * factor * 255, 0.456 * factor * 255, 0.406 * factor * 255], [0.229, 0.224, 0.225]
    rule = parse_normalization(scale, ",".join(map(str, means)), ",".join(map(str, stds)), 3)
    pixels = np.arange(256.0)
    for channel in range(3):
        wanted = (pixels * factor - means[channel]) / stds[channel]
        np.testing.assert_allclose((pixels - rule.mean[channel]) / rule.std[channel], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("scale", "mean", "std", "says"),
    [
        ("1/0", "0", "1", "not a number nor a fraction"),
        ("1/255", "127.5", "1", "outside of 0 to 1, which --scale 1/255 leaves"),
        ("1/255", "0.5,0.5", "1", "2 numbers for 3 channel"),
        ("1/255", "0", "0", "greater than 0"),
        ("1/255", "nan", "1", "not a finite number"),
    ],
)
def test_wrong_normalisation(scale: str, mean: str, std: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_normalization(scale, mean, std, 3)


def test_labels_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("tench\n\ngoldfish \n")
    (tmp_path / "list.json").write_text('["tench, Tinca tinca", "goldfish"]')
    assert parse_labels(f"@{tmp_path / 'lines.txt'}") == ("tench", "goldfish")
    assert parse_labels(f"@{tmp_path / 'list.json'}") == ("tench, Tinca tinca", "goldfish")
    assert parse_labels("a, b") == ("a", "b")
    for text, says in (("a,,b", "empty"), ("a,a", "'a' is there twice"), (f"@{tmp_path}/none", "cannot be read")):
        with pytest.raises(FerExportError, match=says):
            parse_labels(text)


@pytest.mark.parametrize(
    "text", ["0x48x48", "1025x8x8", "1x?x48", "1x0x48", "1x9999x48", "x=y", "0", "8x?", "?", "8x0", "8xx8"]
)
def test_wrong_inputs(text: str) -> None:
    with pytest.raises(UsageError, match="--input"):
        parse_input(text)


def test_arguments_are_json_or_strings() -> None:
    texts = ["num_classes=7", "end=sigmoid", "widths=[8, 16]", "bias=true"]
    assert parse_arguments(texts) == {"num_classes": 7, "end": "sigmoid", "widths": (8, 16), "bias": True}


def test_labels_that_do_not_fit_the_net(code: Path, tmp_path: Path) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    with pytest.raises(UsageError, match=r"there are 2 labels, and .*net.py:Net answers output \[3\]"):
        assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=("a", "b")))


def test_pictures_that_the_net_does_not_take(code: Path, tmp_path: Path) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    with pytest.raises(InvalidInputError, match=r"does not take \[12, 3, 40, 40\]: RuntimeError"):
        assemble(tmp_path / "x.pth", f"{code}:Net", told("3x40x40"))


def test_a_net_that_sees_nothing_is_noted(code: Path, tmp_path: Path) -> None:
    state = {name: torch.zeros_like(value) for name, value in build(code).state_dict().items()}
    torch.save(state, tmp_path / "x.pth")
    assert any(
        "the same for every picture" in note for note in assemble(tmp_path / "x.pth", f"{code}:Net", told()).assumed
    )


def test_faces_are_cropped_for_expressions_alone(code: Path, tmp_path: Path) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    arch = f"{code}:Net"
    crop = assemble(tmp_path / "x.pth", arch, told("1x40x60", labels=LABELS)).checkpoint.contract.crop
    assert crop is not None
    eyes = crop.template[0][0] + crop.template[1][0]
    assert abs(eyes / 2 - 30) < 1, "the eyes lie about the middle of 60 columns"
    assert assemble(tmp_path / "x.pth", arch, told(labels=LABELS, crop=False)).checkpoint.contract.crop is None
    assert assemble(tmp_path / "x.pth", arch, told(labels=("cat", "dog", "cow"))).checkpoint.contract.crop is None


# Weights that do not fit.


def refused(path: Path, arch: str, **more: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        assemble(path, arch, told(labels=LABELS), **more)
    return caught.value


def test_missing_and_unexpected_tensors_are_listed(code: Path, tmp_path: Path) -> None:
    state = build(code).state_dict()
    state["fc.weight"] = state.pop("head.weight")
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert r"1 of 8 tensors are missing (head.weight [3, 8])" in error.reason
    assert r"1 of the file's are unexpected (fc.weight [3, 8])" in error.reason


def test_other_shapes_are_listed(code: Path, tmp_path: Path) -> None:
    torch.save(build(code, num_classes=5).state_dict(), tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert "2 have another shape (head.weight: [5, 8] in the file, [3, 8] in the net" in error.reason


def test_more_than_the_net_has_is_refused_unless_it_is_ignored(code: Path, tmp_path: Path) -> None:
    state = {**build(code).state_dict(), "attention.weight": torch.ones(8)}
    torch.save(state, tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert "unexpected (attention.weight [8])" in error.reason
    assert error.hint is not None
    assert error.hint.endswith("--ignore attention")
    made = assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=LABELS), ignore=("attention",))
    assert any("--ignore" in note for note in made.assumed)
    with pytest.raises(UsageError, match="--ignore atention: no tensor"):
        assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=LABELS), ignore=("attention", "atention"))


def test_the_registered_architecture_is_suggested(code: Path, tmp_path: Path) -> None:
    state = models.build("face_emotion_cnn", num_classes=7).state_dict()
    torch.save({"net": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert error.hint == "names and shapes are those of face_emotion_cnn with 7 classes: --arch face_emotion_cnn"


def test_shapes_alone_are_recognised_too() -> None:
    state = models.build("resnet9", num_classes=7).state_dict()
    other = {f"layer{index}": value for index, value in enumerate(state.values())}
    assert guess_architecture.suggestion(other) == "the shapes are those of resnet9 with 7 classes, under other names"


def test_without_arch_the_command_is_filled_in(tmp_path: Path, cli: Call) -> None:
    state = models.build("face_emotion_cnn", num_classes=7).state_dict()
    torch.save({"model_state_dict": state}, tmp_path / "x.pth")
    code, _, err = cli("onnx", "--ckpt", tmp_path / "x.pth")
    assert code == 4
    assert "carries no contract" in err
    command = f"fer-export onnx --ckpt {tmp_path / 'x.pth'} --arch face_emotion_cnn --input 1x48x48 --labels"
    assert command in err.replace("\n", "")


def test_a_registered_architecture_is_rebuilt_without_arch(tmp_path: Path) -> None:
    torch.manual_seed(5)
    net = models.build("face_emotion_cnn", num_classes=3).eval()
    torch.save(nn.DataParallel(net).state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", "face_emotion_cnn", told("1x48x48", labels=LABELS))
    assert made.checkpoint.contract.architecture.arguments == {"num_classes": 3}
    checkpoint.save(made.checkpoint, tmp_path / "x.safetensors")
    again = checkpoint.load_checkpoint(tmp_path / "x.safetensors")
    pixels = pictures(again.contract)
    with torch.inference_mode():
        torch.testing.assert_close(again.module()(pixels)[0], net(pixels / 255).exp(), atol=1e-6, rtol=0)


def test_torchvisions_own_checkpoints_take_rgb(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(5)
    net = squeezenet1_1(num_classes=3).eval()
    torch.save(net.state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", "torchvision:squeezenet1_1", told("3x64x64", mean="0.5", std="0.25"))
    contract = made.checkpoint.contract
    assert not contract.architecture.foreign
    with torch.inference_mode():
        wanted = net((pictures(contract) / 255 - 0.5) / 0.25).softmax(1)
    torch.testing.assert_close(probabilities(made), wanted, atol=1e-6, rtol=0)


# Files that are no state dicts.


def test_a_whole_module_is_explained(code: Path, tmp_path: Path) -> None:
    for legacy in (False, True):
        path = tmp_path / f"whole{legacy}.pth"
        net = nn.Sequential(nn.Flatten(), nn.Linear(1600, 3))
        torch.save(net, path, _use_new_zipfile_serialization=not legacy)
        error = refused(path, f"{code}:Net")
        assert "a whole pickled module (torch.nn.modules.container.Sequential)" in error.reason
        run_hint(error)
        assert list(torch.load(tmp_path / f"whole{legacy}_state.pth", weights_only=True)) == list(net.state_dict())


def test_a_module_inside_a_dict_is_explained(code: Path, tmp_path: Path) -> None:
    torch.save({"epoch": 1, "model": nn.Linear(2, 2)}, tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert "whole pickled module (torch.nn.modules.linear.Linear)" in error.reason
    run_hint(error)
    assert set(torch.load(tmp_path / "x_state.pth", weights_only=True)) == {"weight", "bias"}


def test_more_than_weights_is_explained(code: Path, tmp_path: Path) -> None:
    torch.save({"args": Path("runs"), "state_dict": {"weight": torch.ones(2)}}, tmp_path / "x.pth")
    error = refused(tmp_path / "x.pth", f"{code}:Net")
    assert "more than weights (pathlib.PosixPath)" in error.reason
    run_hint(error)
    assert set(torch.load(tmp_path / "x_state.pth", weights_only=True)) == {"weight"}


def test_torchscript_is_explained(code: Path, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2).eval(), torch.ones(1, 2)), tmp_path / "x.pt")
    error = refused(tmp_path / "x.pt", f"{code}:Net")
    assert "TorchScript archive" in error.reason
    run_hint(error)
    assert set(torch.load(tmp_path / "x_state.pth", weights_only=True)) == {"weight", "bias"}


def run_hint(error: InvalidInputError) -> None:
    """Run the line of Python that the hint names, in this process: it has torch already."""
    assert error.hint is not None
    line = error.hint.partition('python -c "')[2]
    assert line.endswith('"')
    exec(line[:-1], {})


def test_files_without_a_state_dict(code: Path, tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    torch.save({"student": {"w": torch.ones(2)}, "teacher": {"w": torch.ones(2)}}, tmp_path / "two.pth")
    assert "holds no state dict: a list" in refused(tmp_path / "list.pth", f"{code}:Net").reason
    assert "a dict with epoch" in refused(tmp_path / "epoch.pth", f"{code}:Net").reason
    error = refused(tmp_path / "two.pth", f"{code}:Net")
    assert (error.reason.rpartition(": ")[2], error.hint) == ("student, teacher", "choose one: --entry student")


def test_two_copies_of_the_weights_are_not_guessed_between(code: Path, tmp_path: Path) -> None:
    state = build(code).state_dict()
    both = {f"{who}.{name}": value for who in ("student", "teacher") for name, value in state.items()}
    torch.save(both, tmp_path / "x.pth")
    assert "behind student. and teacher." in refused(tmp_path / "x.pth", f"{code}:Net").reason
    assemble(tmp_path / "x.pth", f"{code}:Net", told(), ignore=("teacher.",))


# The code that --arch names.


@pytest.mark.parametrize(
    ("arch", "says", "hint"),
    [
        ("{code}", "names a file, and not what in it makes the net", "--arch {code}:Net or"),
        ("{code}:Nett", "has no 'Nett'", "--arch {code}:Net"),
        ("{code}:make", r"missing a required argument: 'num_classes'", "--arch-arg"),
        ("{code}:broken", r"fails \(net.py, line \d+\): ValueError: weights are to be downloaded", None),
        ("no/such/file.py:Net", "no file no/such/file.py", None),
        ("no.such.module:Net", "ModuleNotFoundError: No module named 'no'", None),
        ("{code}:", "file.py:factory, package.module:factory or a registered name", None),
        ("face_emotion_cn", "no architecture is named 'face_emotion_cn'", "did you mean face_emotion_cnn"),
    ],
)
def test_code_that_makes_no_net(code: Path, tmp_path: Path, arch: str, says: str, hint: str | None) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    with pytest.raises(FerExportError, match=says) as caught:
        assemble(tmp_path / "x.pth", arch.format(code=code), told())
    assert hint is None or hint.format(code=code) in (caught.value.hint or "")


def test_a_factory_is_told_how_many_labels_there_are(code: Path, tmp_path: Path) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", f"{code}:make", told(labels=LABELS))
    architecture = made.checkpoint.contract.architecture
    assert (architecture.name, architecture.arguments) == ("net.py:make", {"num_classes": 3})


def test_a_module_on_the_path_is_taken_too(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    monkeypatch.chdir(code.parent)
    made = assemble(tmp_path / "x.pth", "net:Net", told(labels=LABELS))
    assert made.checkpoint.contract.architecture.name == "net:Net"


def test_a_contract_cannot_cause_an_import(
    code: Path, tmp_path: Path, cli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=LABELS))
    checkpoint.save(made.checkpoint, tmp_path / "x.safetensors")
    monkeypatch.chdir(code.parent)
    exit_code, _, err = cli("onnx", "--ckpt", tmp_path / "x.safetensors", "-o", tmp_path / "x.onnx")
    assert exit_code == 4
    assert "net.py:Net is code outside this project" in err
    assert "--arch path/to/net.py:Net" in err


# Options that do not go together.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--input", "1x48x48"], "--input is for a checkpoint without a contract"),
        (["--mean", "0.5"], "--mean is for a checkpoint without a contract"),
        (["--arch", "fernet"], "--arch wants --ckpt"),
        (["--arch", "{code}:Net", "--ckpt", "{ckpt}"], "--arch wants --input too"),
        (["--arch", "fernet", "--ckpt", "{own}", "--input", "1x48x48"], "has a contract, and --input is for files"),
    ],
)
def test_usage(code: Path, tmp_path: Path, small: Checkpoint, cli: Call, options: list[str], says: str) -> None:
    torch.save(build(code).state_dict(), tmp_path / "x.pth")
    checkpoint.save(small, tmp_path / "own.safetensors")
    places = {"code": code, "ckpt": tmp_path / "x.pth", "own": tmp_path / "own.safetensors"}
    exit_code, _, err = cli("onnx", "-o", tmp_path / "out" / "x.onnx", *(text.format(**places) for text in options))
    assert (exit_code, says in err) == (2, True), err
    assert not (tmp_path / "out").exists()


# The route.


def test_a_net_that_cannot_be_traced_is_one_line(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, "Moody").state_dict(), tmp_path / "x.pth")
    arch = ("--arch", f"{code}:Moody", "--input", "1x40x40")
    exit_code, out, err = cli("onnx", "--ckpt", tmp_path / "x.pth", *arch, "-o", tmp_path / "out" / "x.onnx")
    assert (exit_code, out, err.count("\n")) == (4, "", 1)
    assert err.startswith("error: torch.onnx cannot export net.py:Moody: ")
    assert not (tmp_path / "out").exists()


def test_a_classifier_goes_down_the_road_into_the_browser(code: Path, tmp_path: Path, cli: Call) -> None:
    net = build(code)
    torch.save(nn.DataParallel(net).state_dict(), tmp_path / "x.pth")
    exit_code, out, err = cli(
        *("onnx", "--ckpt", tmp_path / "x.pth", "-o", tmp_path / "x.onnx", "--save", tmp_path / "x.safetensors"),
        *(
            "--arch",
            f"{code}:Net",
            "--input",
            "1x40x40",
            "--mean",
            "0.5",
            "--std",
            "0.25",
            "--labels",
            ",".join(LABELS),
        ),
        *("--license", "theirs", "--json"),
    )
    assert exit_code == 0, err
    document = json.loads(out)
    assert any("softmax" in sentence for sentence in document["assumed"])
    assert {record["output"] for record in document["parity"]} == {"probabilities", "logits"}
    model, contract = load_onnx(tmp_path / "x.onnx")
    assert (contract.license, contract.picture.normalization.mean, contract.golden[0].height) == (
        "theirs",
        (127.5,),
        40,
    )
    assert str(code.parent).encode() not in (tmp_path / "x.onnx").read_bytes(), "no trace of the user's folders"

    with Browser() as browser:
        written = tfjs.export(model, contract, tmp_path / "model", browser=browser)
    assert all(figure.ok for figure in written.figures)
    assert cli("info", tmp_path / "model")[0] == 0

    places = ("--onnx", tmp_path / "x.onnx", "--tfjs", tmp_path / "model", "--json")
    kept = ("verify", "--ckpt", tmp_path / "x.safetensors", *places, "--runtime", "onnxruntime")
    exit_code, out, err = cli(*kept, "--runtime", "tfjs-wasm")
    assert exit_code == 0, err
    without = json.loads(out)["parity"]
    assert {(figure["runtime"], figure["reference"]) for figure in without} == {("tfjs-wasm", "onnxruntime")}
    exit_code, out, _ = cli(*kept)
    assert exit_code == 2
    assert "the ONNX file is the reference" in json.loads(out)["error"]
    own = ("--ckpt", tmp_path / "x.pth", "--arch", f"{code}:Net")
    exit_code, out, err = cli("verify", *own, *places, "--runtime", "onnxruntime")
    assert exit_code == 0, err
    figures = json.loads(out)["parity"]
    assert {figure["reference"] for figure in figures} == {"torch"}
    assert all(figure["ok"] for figure in figures)

    exit_code, _, err = cli(
        "onnx", "--ckpt", tmp_path / "x.safetensors", "--arch", f"{code}:Net", "-o", tmp_path / "again.onnx"
    )
    assert exit_code == 0, err
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "x.onnx").read_bytes()


def test_other_weights_are_not_the_contracts(code: Path, tmp_path: Path) -> None:
    net = build(code)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    contract = assemble(tmp_path / "x.pth", f"{code}:Net", told(labels=LABELS)).checkpoint.contract
    torch.save({name: value + 1 for name, value in net.state_dict().items()}, tmp_path / "y.pth")
    with pytest.raises(ContractError, match="makes other weights than those of the contract"):
        rebuild(tmp_path / "y.pth", f"{code}:Net", contract)


def test_colours_any_size_and_many_outputs(code: Path, tmp_path: Path) -> None:
    torch.save(build(code, "Moods").state_dict(), tmp_path / "x.pth")
    made = assemble(tmp_path / "x.pth", f"{code}:Moods", told("3x?x?", mean="0.485,0.456,0.406", labels=LABELS))
    contract = made.checkpoint.contract
    assert [(output.name, output.shape) for output in contract.outputs] == [
        ("probabilities", (3,)),
        ("mood", (2,)),
        ("logits", (3,)),
        ("heat_map", (0, 0, 8)),
        ("relu", (8,)),
    ]
    assert any("output best is left out" in note for note in made.assumed)
    exported = onnx.export(made.module(), contract, tmp_path / "x.onnx")
    assert all(figure.ok for figure in exported.figures)
    _, again = load_onnx(tmp_path / "x.onnx")
    assert (again.picture.height, again.picture.channels) == (None, 3)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_that_are_no_colours(code: Path, tmp_path: Path, channels: int) -> None:
    net = build(code, channels=channels)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    made = assemble(
        tmp_path / "x.pth", f"{code}:Net", told(f"{channels}x40x40", labels=LABELS), arguments={"channels": channels}
    )
    contract = made.checkpoint.contract
    # The labels are expressions, but there is no rule to crop such pictures from a photo.
    assert (contract.picture.color, contract.crop) == ("planes", None)
    onnx.export(made.module(), contract, tmp_path / "x.onnx")
    with Browser() as browser:
        written = tfjs.export(*load_onnx(tmp_path / "x.onnx"), tmp_path / "model", browser=browser)
    assert all(figure.ok for figure in written.figures)
    planes = samples_for(contract)[0].single
    assert planes.shape[1:] == (40, 40, channels)
    assert all((planes[0, ..., 0] != planes[0, ..., other]).any() for other in range(1, channels))
    with pytest.raises(UsageError, match=f"--input has {channels} channels"):
        assemble(
            tmp_path / "x.pth", f"{code}:Net", told(f"{channels}x40x40", labels=LABELS, crop=True),
            arguments={"channels": channels},
        )  # fmt: skip


def test_blue_first(code: Path, tmp_path: Path, cli: Call) -> None:
    torch.save(build(code, channels=3).state_dict(), tmp_path / "x.pth")
    asked = ("onnx", "--ckpt", tmp_path / "x.pth", "--arch", f"{code}:Net", "--arch-arg", "channels=3",
             "--input", "3x40x40", "--labels", ",".join(LABELS), "--json")  # fmt: skip
    contracts = []
    for options in ((), ("--bgr",)):
        exit_code, out, err = cli(*asked, *options, "-o", tmp_path / "x.onnx")
        assert exit_code == 0, err
        assert any("RGB, not BGR" in sentence for sentence in json.loads(out)["assumed"]) is not bool(options)
        contracts.append(load_onnx(tmp_path / "x.onnx")[1])
    rgb, bgr = contracts
    assert (rgb.picture.color, bgr.picture.color) == ("rgb", "bgr")
    first, second = (samples_for(contract)[0].single for contract in contracts)
    faces = slice(0, -4)  # noise has no order
    np.testing.assert_array_equal(first[faces], second[faces][..., ::-1])
    photo = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    face = Face(box=(10.0, 10.0, 50.0, 50.0))
    np.testing.assert_array_equal(crop(photo, face, rgb), crop(photo, face, bgr)[::-1])


def test_two_pictures_at_once(code: Path, tmp_path: Path) -> None:
    net = build(code, "Pair")
    torch.save(net.state_dict(), tmp_path / "x.pth")
    inputs = (parse_input("face=1x40x40"), parse_input("eyes=3x20x40"))
    made = assemble(tmp_path / "x.pth", f"{code}:Pair", ModelSpec(inputs=inputs, mean="0.5", labels=LABELS))
    exported = onnx.export(made.module(), made.checkpoint.contract, tmp_path / "x.onnx")
    assert all(figure.ok for figure in exported.figures)
    model, contract = load_onnx(tmp_path / "x.onnx")
    assert [entry.name for entry in contract.inputs] == ["face", "eyes"]
    assert not contract.golden
    with Browser() as browser:
        written = tfjs.export(model, contract, tmp_path / "model", browser=browser)
    assert all(figure.ok and figure.samples == 13 for figure in written.figures)
    inputs = samples_for(contract)[0].inputs
    face, eyes = (torch.from_numpy(inputs[name]).permute(0, 3, 1, 2) / 255 - 0.5 for name in ("face", "eyes"))
    with torch.inference_mode():
        wanted = net(face, eyes)
    answer = OnnxRuntime(tmp_path / "x.onnx")(inputs)["logits"]
    np.testing.assert_allclose(answer, wanted, atol=1e-4)


CEIL = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 1, 1)

    def forward(self, x):
        return nn.functional.max_pool2d(self.conv(x), 3, 3, 1, ceil_mode=True)
"""


def test_a_graph_whose_shapes_onnx_refuses_is_one_line(tmp_path: Path) -> None:
    """Torch drops a last window that begins in the padding, ONNX counts it."""
    (tmp_path / "ceil.py").write_text(CEIL)
    torch.save(build(tmp_path / "ceil.py").state_dict(), tmp_path / "x.pth")
    found = assemble(tmp_path / "x.pth", f"{tmp_path / 'ceil.py'}:Net", told("3x20x24"))
    with pytest.raises(InvalidInputError, match=r"the ONNX checker refuses the graph: .*MaxPool") as caught:
        onnx.export(found.module(), found.checkpoint.contract, tmp_path / "x.onnx")
    assert "\n" not in caught.value.reason
    assert not (tmp_path / "x.onnx").exists()
