"""This module loads finished nets as teachers, which answer for the pictures that a student learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from fer_export import models
from fer_export.contract import Normalization
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint as checkpoints
from fer_export.models.classifier import Normalize
from training import device as devices
from training.data.aliases import matched
from training.data.faces import Faces
from training.fit.checkpointing import WHOLE
from training.fit.joined_teacher import joined
from training.fit.multi_head import targets
from training.recipe import Recipe, read_recipe


@dataclass(frozen=True)
class Part:
    """Map a teacher's outputs to one set of the student's labels.

    Attributes:
        own: columns of the teacher's logits, in the order of the student's labels.
        start, stop: the columns of all heads together that they stand for; `stop` is not included.
    """

    own: tuple[int, ...]
    start: int
    stop: int

    def of(self, logits: Tensor) -> Tensor:
        """Return the columns of the student's labels: [N, classes of the teacher] to [N, classes of the set]."""
        # A list as an index would be copied to the device, and a GPU's host would wait for that.
        first = self.own[0]
        if self.own == tuple(range(first, first + len(self.own))):
            return logits[:, first : first + len(self.own)]
        return torch.stack([logits[:, column] for column in self.own], 1)


@dataclass(frozen=True)
class Teacher:
    """Hold a trained net and the sets of labels that it answers for.

    Attributes:
        net: maps pictures in 0–255 of its own size to logits; normalisation is included.
        parts: one for each set of labels that it knows.
        size: height and width of its pictures; None where it takes any.
        about: identifies it in the record of what views were made with.
    """

    net: nn.Module
    parts: tuple[Part, ...]
    size: tuple[int, int] | None
    about: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the recipes and seeds that it was made by."""
        heads = self.about.get("heads", [self.about])
        return " and ".join(dict.fromkeys(f"{one['recipe']} (seed {one['seed']})" for one in heads))

    def to(self, device: torch.device) -> Teacher:
        """Move the net, which is one and the same for all copies of this record."""
        self.net.to(device)
        return self


def load_teacher(source: Path, faces: Faces, which: str = "best") -> Teacher:
    """Read a teacher.

    Args:
        source: the folder of a finished run, or a checkpoint. A run with two sets of labels answers for both; a
            checkpoint, and a run with one set, for those of the student's labels that mean the same as its own.
        faces: what it will be asked about, for the labels.
        which: `best` or `last` epoch, for the folder of a run.

    Raises:
        InvalidInputError: there is no such run or checkpoint, it takes colour pictures, or it has other labels.
    """
    if source.is_dir() and (source / f"{WHOLE}{which}.safetensors").is_file():
        return _of_two_heads(source, faces, which)
    if source.is_dir() and not (source / f"{which}.safetensors").is_file():
        raise InvalidInputError(
            f"{source} holds neither {WHOLE}{which}.safetensors nor {which}.safetensors",
            hint="a teacher is the folder of a finished run, a checkpoint, or the name of a packaged model",
        )
    return _of_checkpoint(source / f"{which}.safetensors" if source.is_dir() else source, faces)


def load_teachers(sources: Sequence[Path], faces: Faces, which: str = "best") -> tuple[Teacher, ...]:
    """Read teachers; those that differ in their last layer alone become one, which is run once for all their answers.

    The arguments and errors are those of `load_teacher`.
    """
    found: list[Teacher] = []
    for source in sources:
        one = load_teacher(source, faces, which)
        for place, held in enumerate(found):
            both = _joined(held, one)
            if both is not None:
                found[place] = both
                break
        else:
            found.append(one)
    return tuple(found)


def answers(teachers: Sequence[Teacher], pictures: Tensor, *, mirrored: bool = False) -> Tensor:
    """Return the teachers' mean probabilities, for each set of labels over the teachers that know it.

    A temperature that was fitted to a teacher is not applied, so its answers are as soft as in its own training.

    Args:
        teachers: teachers on the device of the pictures.
        pictures: float32 [N, 1, H, W] in 0–255.
        mirrored: let them answer for the mirrored pictures too; the mean is over both.

    Returns:
        float32 [N, classes of all sets]; zeros for a set that no teacher knows.
    """
    width = max((part.stop for one in teachers for part in one.parts), default=0)
    total = pictures.new_zeros(len(pictures), width)
    counts = pictures.new_zeros(width)
    shown = [pictures, pictures.flip(3)] if mirrored else [pictures]
    with torch.inference_mode(), devices.autocast(pictures.device):
        for seen in (each.contiguous(memory_format=torch.channels_last) for each in shown):
            for one in teachers:
                logits = one.net(_sized(seen, one.size)).float()
                for part in one.parts:
                    total[:, part.start : part.stop] += part.of(logits).softmax(1)
                    counts[part.start : part.stop] += 1
    return total / counts.clamp_min(1)


def blend(labels: Tensor, said: Tensor, widths: Sequence[int], share: float) -> Tensor:
    """Mix teachers' answers into the labels, for each set of labels by itself.

    Args:
        labels: targets [N, classes of all sets]; the rows of a set without a label are zeros.
        said: the teachers' probabilities [..., N, classes of all sets]; zeros for a set that no teacher knows.
        widths: the number of classes of each set.
        share: weight of the answers, 0–1; the labels have the rest. A row without a label has the answers alone, and a
            set that no teacher knows has its labels alone.

    Returns:
        Targets of the shape of `said`.
    """
    mixed = []
    for own, told in zip(torch.split(labels, list(widths), -1), torch.split(said, list(widths), -1), strict=True):
        mass = own.sum(-1, keepdim=True)
        both = told * (1 - (1 - share) * mass) + own * (1 - share)
        mixed.append(torch.where(told.sum(-1, keepdim=True) > 0, both, own))
    return torch.cat(mixed, -1)


def padded(said: Tensor, width: int) -> Tensor:
    """Return answers with columns of zeros for the last sets of labels, where no teacher knows them."""
    return functional.pad(said, (0, width - said.shape[1]))


def _joined(first: Teacher, second: Teacher) -> Teacher | None:
    """Return one teacher for the sets of labels of both; None where they are different nets."""
    starts = [part.start for one in (first, second) for part in one.parts]
    if first.size is None or first.size != second.size or len(set(starts)) < len(starts):
        return None
    net = joined(first.net, second.net, first.size)
    if net is None:
        return None
    shift = 1 + max(column for part in first.parts for column in part.own)
    moved = tuple(Part(tuple(shift + column for column in part.own), part.start, part.stop) for part in second.parts)
    return Teacher(_ready(net), (*first.parts, *moved), first.size, {"heads": [first.about, second.about]})


def _sized(pictures: Tensor, size: tuple[int, int] | None) -> Tensor:
    if size is None or tuple(pictures.shape[2:]) == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True)


def teacher_of(net: nn.Module, recipe: Recipe, faces: Faces, about: Mapping[str, Any]) -> Teacher:
    """Return a net that was trained by a recipe as a teacher.

    Args:
        net: maps normalised pictures to the logits of all sets of labels that the rows have, side by side.
        recipe: the recipe, for the normalisation and the size.
        faces: the rows.
        about: what identifies the weights.
    """
    whole = nn.Sequential(Normalize(Normalization(mean=(recipe.mean,), std=(recipe.std,))), net)
    parts = tuple(Part(tuple(range(start, stop)), start, stop) for start, stop, _ in _sets(faces))
    said = {"recipe": recipe.name, "seed": recipe.seed, **about}
    return Teacher(_ready(whole), parts, (recipe.size, recipe.size), said)


def _of_two_heads(run: Path, faces: Faces, which: str) -> Teacher:
    weights = run / f"{WHOLE}{which}.safetensors"
    recipe = read_recipe(str(run / "recipe.yaml"))
    width = targets(faces).shape[1]
    net = models.build(recipe.architecture, **{**recipe.arguments, "num_classes": width})
    try:
        net.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise InvalidInputError(f"{weights} does not fit {recipe.architecture} with {width} answers") from error
    return teacher_of(net, recipe, faces, {"sha256": hashlib.sha256(weights.read_bytes()).hexdigest()})


def _of_checkpoint(path: Path, faces: Faces) -> Teacher:
    loaded = checkpoints.load_checkpoint(path)
    contract = loaded.contract
    spec = contract.picture
    if spec.color != "gray":
        raise InvalidInputError(f"{path} takes {spec.color} pictures, and a teacher is shown gray ones")
    parts = []
    for start, stop, labels in _sets(faces):
        own = matched(contract.labels, labels)
        if own is not None:
            parts.append(Part(tuple(own), start, stop))
    if not parts:
        sets = "; ".join(", ".join(labels) for _, _, labels in _sets(faces))
        raise InvalidInputError(f"{path} answers {', '.join(contract.labels)}, and the labels here are {sets}")
    whole = nn.Sequential(Normalize(spec.normalization), loaded.module().net)
    size = None if spec.height is None or spec.width is None else (spec.height, spec.width)
    about = {
        "recipe": contract.training.recipe if contract.training else contract.architecture.name,
        "seed": contract.training.seed if contract.training else None,
        "sha256": contract.weights_sha256,
    }
    return Teacher(_ready(whole), tuple(parts), size, about)


def _sets(faces: Faces) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return, for each set of labels, its first column, the column after its last, and the labels."""
    width = len(faces.labels)
    sets = [(0, width, faces.labels)]
    if faces.other is not None:
        sets.append((width, width + len(faces.other.labels), faces.other.labels))
    return sets


def _ready(net: nn.Module) -> nn.Module:
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
