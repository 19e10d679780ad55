"""Views of the training pictures with what teachers say of them, made once and trained on many times.

A student that is shown the very view its teacher saw learns most (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237); storing views and answers takes the teachers out of the student's steps
(dataset reinforcement, Faghri et al. 2023, https://arxiv.org/abs/2303.08983). A folder holds
`view-000.safetensors`, … and `views.json`, which says of what they were made; it resumes view by view.
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
        folder: where to.
        faces: the training rows.
        teachers: whose answers are averaged.
        augmentation: of the views; the draws depend on seed and view alone.
        size: of the pictures in pixels.
        views: how many there are to be.
        seed: of the draws.
        mirrored: whether the teachers answer for mirrored views too, as in `answers`.
        device: what the teachers run on, as in `training.device.device_named`.
        progress: called with the number of pictures that were just done.

    Returns:
        How many were made now.

    Raises:
        InvalidInputError: the folder holds views of something else.
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
            # As they are stored, so that teacher and student see the same.
            pixels[some] = augment(faces.pixels[some].float(), augmentation, size).round().clamp(0, 255).byte()
            told = answers(teachers, pixels[some].to(place).float(), mirrored=mirrored)
            said[some] = padded(told, said.shape[1]).cpu()
            if progress:
                progress(len(pixels[some]))
        with replacing(path) as temporary:
            save_file({"pixels": pixels, "answers": said}, temporary)
        made += 1
    return made
