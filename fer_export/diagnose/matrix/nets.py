"""Models by name: packaged, from a file, or any architecture with random weights, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fer_export import models
from fer_export.contract import BY_LABEL, Architecture, Contract, Normalization, Output, PictureInput
from fer_export.errors import InvalidInputError, UsageError, first_line
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.models.building import build_architecture
from fer_export.models.torchvision_zoo import PREFIX
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Pixels, channels_first

#: As FER+ has.
CLASSES = 8
#: Pixels a side: of FER2013's faces for the registry, of ImageNet's pictures for torchvision's nets.
_SIDE, _TORCHVISION_SIDE = 48, 224
#: Its reductions leave nothing of smaller pictures.
_SIDES = {"face_pretrained": 80}
_RGB = ("resnet18",)
#: Narrow forms of the nets whose width is an argument.
_SMALL: dict[str, dict[str, Any]] = {"fernet": {"widths": (8, 16, 24)}, "emotion_cnn": {"widths": (16, 32, 48)}}
#: What torchvision's nets get in place of ImageNet's size: they all take it, and it is a twelfth of the work.
_SMALL_TORCHVISION_SIDE = 64


def named(spec: str, *, small: bool = False) -> Checkpoint:
    """A checkpoint by name.

    Args:
        spec: a packaged model (`ferplus`), a checkpoint's path, a registered architecture or
            `torchvision:NAME`; the last two, for pictures of another size, as `NAME@SIDE`.
        small: narrow nets and small pictures, where there are.

    Raises:
        InvalidInputError: nothing of this name, or the net does not take pictures of this size.
        UsageError: the size is no number.
    """
    path = checkpoint.named(spec)
    if path.is_file():
        return checkpoint.load(path)
    if path.suffix in (".safetensors", ".pth", ".pt"):
        raise InvalidInputError(f"no checkpoint {path}")
    name, _, size = spec.partition("@")
    if size and not (size.isdigit() and int(size)):
        raise UsageError(f"{spec}: behind @ comes a number of pixels", hint=f"{name}@64")
    usual = _SIDES.get(name, _SIDE)
    if name.startswith(PREFIX):
        usual = _SMALL_TORCHVISION_SIDE if small else _TORCHVISION_SIDE
    arguments = {"num_classes": CLASSES, **(_SMALL.get(name, {}) if small else {})}
    return _random(name, int(size) if size else usual, arguments)


def _random(name: str, side: int, arguments: dict[str, Any]) -> Checkpoint:
    channels: Literal[1, 3] = 3 if name in _RGB or name.startswith(PREFIX) else 1
    architecture = Architecture(name=name, arguments=arguments)
    spec = PictureInput(
        height=side,
        width=side,
        channels=channels,
        color="gray" if channels == 1 else "rgb",
        normalization=Normalization(mean=(127.5,) * channels, std=(64.0,) * channels),
    )
    contract = Contract(
        architecture=architecture,
        labels=tuple(f"class {index}" for index in range(CLASSES)),
        inputs=(spec,),
        outputs=tuple(Output(name=each, shape=(CLASSES,), meaning="by label") for each in BY_LABEL),
        license="MIT",
        weights_sha256="0" * 64,
    )
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(0)
        net = build_architecture(architecture, channels)
        try:
            _settle(net, models.Classifier(net, spec.normalization), samples_for(contract)[0].pixels)
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = f"{name} does not take pictures of {side}×{side}: {first_line(error)}"
            raise InvalidInputError(reason) from error
    state = net.state_dict()
    return Checkpoint(contract.but(weights_sha256=weights_sha256(state)), state)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums, and so the weights and the name of kept cells, must not depend on how many threads torch has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _settle(net: nn.Module, classifier: nn.Module, pixels: Pixels) -> None:
    """Scale random weights layer by layer, so that the answers depend on the pictures.

    As they are drawn, a deep net answers the same whatever it sees, to the sixth digit and further; two
    runtimes then agree however wrong a converter is. After Mishkin and Matas 2016, https://arxiv.org/abs/1511.06422,
    with the spread among pictures in place of that among all values.
    """

    def scale(layer: nn.Module, _: object, answer: Tensor) -> Tensor:
        assert isinstance(layer.weight, Tensor)
        factor = 1 / (answer - answer.mean(0)).std().clamp(min=1e-6)
        channel = 1 if isinstance(layer, nn.Conv2d) else -1
        others = [axis for axis in range(answer.ndim) if axis != channel % answer.ndim]
        layer.weight.mul_(factor)
        if isinstance(layer.bias, Tensor):
            mean = answer.mean(others)
            layer.bias.sub_(mean).mul_(factor)
            answer = answer - mean.reshape([-1 if axis == channel % answer.ndim else 1 for axis in range(answer.ndim)])
        return answer * factor

    net.eval()
    hooks = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(scale))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            # Fresh ones compute next to nothing, and a converter that loses them would not be found out.
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = None
            module.train()
    with torch.no_grad():
        classifier(torch.from_numpy(channels_first(pixels)))
    for hook in hooks:
        hook.remove()


def described(made: Checkpoint) -> str:
    """The input in a few characters: `1×48×48`."""
    spec = made.contract.inputs[0]
    return "×".join(str(size or "?") for size in spec.axes) or "scalar"
