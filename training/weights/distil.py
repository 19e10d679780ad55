"""Views of the training pictures with what teachers say of them, made once and trained on many times.

A student that is shown the very view its teacher saw learns most (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237); storing views and answers takes the teachers out of the student's steps
(dataset reinforcement, Faghri et al. 2023, https://arxiv.org/abs/2303.08983). A folder holds
`view-000.safetensors`, … and `views.json`, which says of what they were made; it resumes view by view.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fer_export import models
from fer_export.contract import Normalization
from fer_export.errors import InvalidInputError
from fer_export.files import replacing
from fer_export.models.classifier import Normalize
from training.augment import Augmentation, augment
from training.data.faces import Faces
from training.fit.checkpointing import WHOLE
from training.fit.multi_head import Head, heads, targets
from training.fit.stored_views import ABOUT, digest, path_of
from training.recipe import read_recipe

_BATCH = 256


@dataclass(frozen=True)
class Teacher:
    """A trained net with all its heads.

    Attributes:
        net: normalised pictures → logits of all heads; normalisation included.
        heads: which answers belong together.
        about: for the record: recipe, seed and hash of the weights.
    """

    net: nn.Module
    heads: tuple[Head, ...]
    about: dict[str, Any]


def teacher(run: Path, faces: Faces, which: str = "best") -> Teacher:
    """The net of a finished run.

    Args:
        run: its folder.
        faces: what it will be asked about, for the labels.
        which: `best` or `last` epoch.

    Raises:
        InvalidInputError: no such run, or one with other labels.
    """
    weights = run / f"{WHOLE}{which}.safetensors"
    if not weights.is_file():
        raise InvalidInputError(
            f"{run} holds no {weights.name}", hint="a teacher is the folder of a run with two sets of labels"
        )
    recipe = read_recipe(str(run / "recipe.yaml"))
    width = targets(faces).shape[1]
    net = models.build(recipe.architecture, **{**recipe.arguments, "num_classes": width})
    try:
        net.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise InvalidInputError(f"{weights} does not fit {recipe.architecture} with {width} answers") from error
    stage = recipe.stages[-1]
    whole = nn.Sequential(Normalize(Normalization(mean=(recipe.mean,), std=(recipe.std,))), net)
    about = {"recipe": recipe.name, "seed": recipe.seed, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    return Teacher(
        whole.eval().to(memory_format=torch.channels_last), heads(recipe.data_of(stage), stage, faces), about
    )


def answers(teachers: Sequence[Teacher], pictures: Tensor, *, mirrored: bool = False) -> Tensor:
    """The teachers' mean probabilities: float32 [N, 1, H, W] in 0–255 → [N, classes of all heads].

    With `mirrored` they answer for the mirrored picture too, and the mean is over both.
    """
    shown = [pictures, pictures.flip(3)] if mirrored else [pictures]
    total = torch.zeros(())
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for seen in (each.contiguous(memory_format=torch.channels_last) for each in shown):
            for one in teachers:
                logits = one.net(seen).float()
                total = total + torch.cat([head.of(logits).softmax(1) for head in one.heads], 1)
    return total / (len(teachers) * len(shown))


def make(
    folder: Path,
    faces: Faces,
    teachers: Sequence[Teacher],
    augmentation: Augmentation,
    *,
    size: int,
    views: int,
    seed: int = 0,
    mirrored: bool = False,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write the views that are not there yet.

    Args:
        folder: where to.
        faces: the training rows.
        teachers: whose answers are averaged.
        augmentation: of the views; the draws depend on seed and view alone.
        size: of the pictures in pixels.
        views: how many there are to be.
        seed: of the draws.
        mirrored: whether the teachers answer for mirrored views too, as in `answers`.
        progress: called with the number of pictures that were just done.

    Returns:
        How many were made now.

    Raises:
        InvalidInputError: the folder holds views of something else.
    """
    about = {
        "rows": digest(faces),
        "teachers": [one.about for one in teachers],
        "augmentation": augmentation.model_dump(mode="json"),
        "size": size,
        "seed": seed,
        "mirrored": mirrored,
    }
    record = folder / ABOUT
    if record.is_file() and json.loads(record.read_text("utf-8")) != about:
        raise InvalidInputError(f"{folder} holds views of other pictures, teachers or settings", hint="another -o")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    made = 0
    for view in range(views):
        path = path_of(folder, view)
        if path.is_file():
            continue
        pixels = torch.empty(len(faces), faces.pixels.shape[1], size, size, dtype=torch.uint8)
        said = torch.empty(len(faces), targets(faces).shape[1])
        torch.manual_seed(seed * 1_000_003 + view)
        for start in range(0, len(faces), _BATCH):
            some = slice(start, start + _BATCH)
            # As they are stored, so that teacher and student see the same.
            pixels[some] = augment(faces.pixels[some].float(), augmentation, size).round().clamp(0, 255).byte()
            said[some] = answers(teachers, pixels[some].float(), mirrored=mirrored)
            if progress:
                progress(len(pixels[some]))
        with replacing(path) as temporary:
            save_file({"pixels": pixels, "answers": said}, temporary)
        made += 1
    return made
