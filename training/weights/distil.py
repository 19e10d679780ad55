"""This module makes views of the training pictures with teachers' answers, once, to be trained on many times.

A student learns most when it is shown the same view as its teacher (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237). With stored views and answers no teacher has to run during the student's training
(dataset reinforcement, Faghri et al. 2023, https://arxiv.org/abs/2303.08983). A folder holds
`view-000.safetensors`, … and `views.json`, which says what they were made from; a stopped run goes on with the
first view that is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from fer_export.errors import InvalidInputError
from fer_export.files import replacing
from training.augment import Augmentation, augment
from training.data.faces import Faces
from training.device import device_named
from training.fit.multi_head import targets
from training.fit.stored_views import ABOUT, digest, path_of
from training.fit.teachers import Teacher, answers, padded

_BATCH = 256


def make_views(
    folder: Path,
    faces: Faces,
    teachers: Sequence[Teacher],
    augmentation: Augmentation,
    *,
    size: int,
    views: int,
    seed: int = 0,
    mirrored: bool = False,
    device: str = "cpu",
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write the views that are not there yet.

    Args:
        folder: folder to write into.
        faces: the training rows.
        teachers: nets whose answers are averaged.
        augmentation: settings of the views; the draws depend on seed and view alone.
        size: side of the pictures in pixels.
        views: how many views the folder shall hold.
        seed: seed of the draws.
        mirrored: whether the teachers answer for mirrored views too, as in `answers`.
        device: device that the teachers run on, as in `training.device.device_named`.
        progress: called with the number of pictures that were just done.

    Returns:
        How many were made now.

    Raises:
        InvalidInputError: the folder holds views of other pictures, teachers or settings.
    """
    place = device_named(device)
    teachers = [one.to(place) for one in teachers]
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
            # The teachers answer for the rounded pictures that are stored, so that the student sees the same.
            pixels[some] = augment(faces.pixels[some].float(), augmentation, size).round().clamp(0, 255).byte()
            told = answers(teachers, pixels[some].to(place).float(), mirrored=mirrored)
            said[some] = padded(told, said.shape[1]).cpu()
            if progress:
                progress(len(pixels[some]))
        with replacing(path) as temporary:
            save_file({"pixels": pixels, "answers": said}, temporary)
        made += 1
    return made
