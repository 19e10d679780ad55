"""This module makes models by name: packaged, from a file, or an architecture with fixed random weights."""

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
from fer_export.runtimes import Array, channels_first

#: The number of classes, as in FER+.
CLASSES = 8
#: The side of the pictures in pixels: FER2013's faces for the registry, ImageNet's pictures for torchvision's nets.
_SIDE, _TORCHVISION_SIDE = 48, 224
#: This net reduces smaller pictures to nothing.
_SIDES = {"face_pretrained": 80}
_RGB = ("resnet18",)
#: Narrow forms of the nets whose width is an argument.
_SMALL: dict[str, dict[str, Any]] = {"fernet": {"widths": (8, 16, 24)}, "emotion_cnn": {"widths": (16, 32, 48)}}
#: A smaller size for torchvision's nets; they all accept it, and it is a twelfth of the work.
_SMALL_TORCHVISION_SIDE = 64


def named(spec: str, *, small: bool = False) -> Checkpoint:
    """Return a checkpoint by name.

    Args:
        spec: a packaged model (`ferplus`), a checkpoint's path, a registered architecture or
            `torchvision:NAME`; the last two as `NAME@SIDE` for pictures of another size.
        small: take narrow nets and small pictures where possible.

    Raises:
        InvalidInputError: nothing has this name, or the net does not take pictures of this size.
        UsageError: the size is not a number.
    """
    path = checkpoint.named(spec)
    if path.is_file():
        return checkpoint.load_checkpoint(path)
    if path.suffix in (".safetensors", ".pth", ".pt"):
        raise InvalidInputError(f"no checkpoint {path}")
    name, _, size = spec.partition("@")
    if size and not (size.isdigit() and int(size)):
        raise UsageError(f"{spec}: a number of pixels has to follow the @", hint=f"{name}@64")
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
            _settle(net, models.Classifier(net, spec.normalization), samples_for(contract)[0].single)
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = f"{name} does not take pictures of {side}×{side}: {first_line(error)}"
            raise InvalidInputError(reason) from error
    state = net.state_dict()
    return Checkpoint(contract.but(weights_sha256=weights_sha256(state)), state)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, since sums, and so the weights and the names of kept cells, depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _settle(net: nn.Module, classifier: nn.Module, pixels: Array) -> None:
    """Scale random weights layer by layer, so that the outputs depend on the pictures.

    With weights as they are drawn, a deep net's outputs are the same for all pictures to six digits or more, and two
    runtimes agree however wrong a converter is. The method is Mishkin and Matas 2016, https://arxiv.org/abs/1511.06422,
    but with the spread among pictures in place of that among all values.
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
            # Fresh batch norms compute next to nothing, so a converter that loses them would go unnoticed.
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = None
            module.train()
    with torch.no_grad():
        classifier(torch.from_numpy(channels_first(pixels)))
    for hook in hooks:
        hook.remove()


def described(made: Checkpoint) -> str:
    """Return the input's size in a few characters: `1×48×48`."""
    spec = made.contract.inputs[0]
    return "×".join(str(size or "?") for size in spec.axes) or "scalar"
