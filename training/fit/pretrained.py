"""This module loads pretrained backbones, from the package's own loader or a local file, or stops the run."""

from __future__ import annotations

import http.client
import pickle
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal, Self, get_args

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from fer_export.errors import InvalidInputError, MissingDependencyError, first_line
from fer_export.formats.checkpoint import DAMAGED
from fer_export.models import torchvision_zoo

Source = Literal["imagenet", "vggface2"]

#: Architecture → the torchvision net whose weights fit its trunk. `torchvision:NAME` takes those of NAME.
_TORCHVISION = {
    "resnet18": "resnet18",
    "resnet18_gray": "resnet18",
    "resnet50": "resnet50",
    "gray_resnet50": "resnet50",
}
#: The address that facenet-pytorch's `load_weights` downloads from; used in messages only.
_VGGFACE2 = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt"
#: Prefixes of the auxiliary heads in the files of googlenet and inception_v3, which our nets leave out.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_LOCAL = "give a local file: --weights FILE"


def load_pretrained(net: nn.Module, architecture: str, source: Source, file: Path | None = None) -> None:
    """Put pretrained weights into a freshly built net; its head stays fresh.

    The head is `fc` of the ResNets, `logits` of face_pretrained, and the last layer with weights of
    `torchvision:NAME`. It is skipped in the file, and so are the auxiliary heads of googlenet and
    inception_v3. Everything else has to be in the file with its shape.

    For resnet18_gray and gray_resnet50 the first convolution becomes the mean of the pretrained one
    over RGB, as the recipes define it. The same gray channel in R, G and B would give the sum, so the
    output of this layer is a third of the pretrained net's; the batch norm after it makes up for
    that as soon as it sees batches in training.

    Args:
        net: a net from `fer_export.models.build`. On an error it is unchanged.
        architecture: the name it was built by.
        source: "imagenet" for torchvision's default weights, "vggface2" for face_pretrained.
        file: a local state dict, .pth, .pt or .safetensors: plain, or under "state_dict", with or
            without the prefix "module."; None for the package's loader, which keeps what it
            downloads in torch's cache.

    Raises:
        MissingDependencyError: no file was given, and the weights could not be downloaded.
        InvalidInputError: there are no such weights for this architecture, or the file is missing,
            damaged, unsafe, or of another architecture.
    """
    name = _origin(architecture, source)
    state = _download(name, source) if file is None else _read(file)
    _put(net, state, _head(net, architecture), where=str(file or f"{source}'s file"), fits=name)


class EmbeddingTeacher(nn.Module):
    """Run a frozen ResNet-50 without its head, always in eval mode."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, because the batch statistics are part of what it teaches."""
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised RGB pictures [N, 3, H, W] to embeddings [N, 2048]."""
        embeddings: Tensor = self.net(x)
        return embeddings


def embedding_teacher(source: Source = "imagenet", file: Path | None = None) -> EmbeddingTeacher:
    """Return the net that stage 0 of gray_resnet50 learns from: torchvision's pretrained ResNet-50 for RGB pictures.

    Arguments and errors are those of `load_pretrained`.
    """
    from torchvision.models import resnet50

    net = resnet50(weights=None)
    load_pretrained(net, "resnet50", source, file)
    net.fc = nn.Identity()
    return EmbeddingTeacher(net)


def _origin(architecture: str, source: Source) -> str:
    """Return the net whose weights fit: a name of torchvision, or InceptionResnetV1."""
    fitting: Source
    if architecture == "face_pretrained":
        fitting, name = "vggface2", "InceptionResnetV1"
    elif architecture in _TORCHVISION:
        fitting, name = "imagenet", _TORCHVISION[architecture]
    elif architecture.startswith(torchvision_zoo.PREFIX):
        fitting, name = "imagenet", architecture.removeprefix(torchvision_zoo.PREFIX)
    else:
        able = ", ".join(["face_pretrained", *_TORCHVISION, f"{torchvision_zoo.PREFIX}NAME"])
        raise InvalidInputError(
            f"there are no pretrained weights for {architecture}", hint=f"train from scratch, or take one of: {able}"
        )
    if source != fitting:
        known = source in get_args(Source)
        reason = f"no {source} weights for {architecture}" if known else f"no source of weights is named {source!r}"
        raise InvalidInputError(f"there are {reason}" if known else reason, hint=f"{architecture} takes {fitting}")
    return name


def _head(net: nn.Module, architecture: str) -> str:
    """Return the prefix of the parameters that stay fresh."""
    if architecture == "face_pretrained":
        return "logits."
    if architecture in _TORCHVISION:
        return "fc."
    *_, last = (
        name for name, module in net.named_modules() if next(module.parameters(recurse=False), None) is not None
    )
    return f"{last}."


def _download(name: str, source: Source) -> Mapping[str, Tensor]:
    """Get the weights from torch's cache or by the package's own loader."""
    if source == "vggface2":
        from facenet_pytorch.models import inception_resnet_v1 as facenet

        url, cache = _VGGFACE2, Path(facenet.get_torch_home())

        def fetch() -> Any:
            return facenet.InceptionResnetV1(pretrained="vggface2").state_dict()
    else:
        from torchvision.models import get_model_weights

        weights: Any = get_model_weights(name).DEFAULT
        url, cache = weights.url, Path(torch.hub.get_dir())

        def fetch() -> Any:
            bar = sys.stderr.isatty()
            return weights.get_state_dict(progress=bar, check_hash=True, weights_only=True, map_location="cpu")

    try:
        # torch.hub announces a download on stdout, where --json belongs.
        with redirect_stdout(sys.stderr):
            state: Mapping[str, Tensor] = fetch()
    except (OSError, http.client.HTTPException) as error:
        raise MissingDependencyError(
            f"the {source} weights of {name} could not be had from {url}: {first_line(error)}", hint=_LOCAL
        ) from error
    except (*DAMAGED, pickle.UnpicklingError) as error:
        raise MissingDependencyError(
            f"the {source} weights of {name} from {url} are damaged: {first_line(error)}",
            hint=f"delete {cache / 'checkpoints' / Path(url).name}, or {_LOCAL}",
        ) from error
    return state


def _read(file: Path) -> Mapping[str, Tensor]:
    """Read a local state dict, and refuse anything but tensors."""
    if not file.is_file():
        raise InvalidInputError(f"no file {file}", hint="--weights takes a .pth, .pt or .safetensors state dict")
    try:
        if file.suffix == ".safetensors":
            loaded: Any = safetensors.torch.load_file(file)
        else:
            with warnings.catch_warnings():
                # torch warns of what it is about to refuse.
                warnings.simplefilter("ignore")
                loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidInputError(
            f"{file} is damaged or holds more than weights, and is not opened: loading it could run code",
            hint="save its state dict alone: torch.save(net.state_dict(), FILE)",
        ) from error
    except (*DAMAGED, SafetensorError) as error:
        raise InvalidInputError(f"{file} is damaged or no file of weights: {first_line(error)}") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InvalidInputError(f"{file} holds no state dict", hint="save it so: torch.save(net.state_dict(), FILE)")
    if all(key.startswith("module.") for key in loaded):
        return {key.removeprefix("module."): value for key, value in loaded.items()}
    return loaded


def _put(net: nn.Module, state: Mapping[str, Tensor], head: str, *, where: str, fits: str) -> None:
    own = net.state_dict()
    wanted = {key: value for key, value in own.items() if not key.startswith(head)}
    given = OrderedDict((_modern(k), v) for k, v in state.items() if not k.startswith((head, *_AUXILIARY)))
    first, own_first = given.get("conv1.weight"), wanted.get("conv1.weight")
    if first is not None and own_first is not None and first.shape[1:2] == (3,) and own_first.shape[1] == 1:
        given["conv1.weight"] = first.mean(1, keepdim=True)
    # Files from before PyTorch 0.4.1 lack `num_batches_tracked`.
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in given if key not in wanted]
    reshaped = [
        f"{key} {list(given[key].shape)} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    wrong = [f"{_some(keys)} {kind}" for kind, keys in kinds.items() if keys]
    if wrong:
        raise InvalidInputError(f"{where} does not fit: {'; '.join(wrong)}", hint=f"give the weights of {fits}")
    # mnasnet refuses a state dict that does not say its version.
    given._metadata = own._metadata  # type: ignore[attr-defined]
    net.load_state_dict(given, strict=False)


def _modern(key: str) -> str:
    """Return the key as torchvision names it today; densenet's files still say `norm.1` for `norm1`."""
    return re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
