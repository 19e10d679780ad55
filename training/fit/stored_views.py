"""This module reads stored views: augmented training pictures with teachers' answers (`training/weights/distil.py`).

A folder holds `view-000.safetensors`, … and `views.json`, which says what they were made from.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from fer_export.errors import InvalidInputError
from training.data.faces import Faces
from training.fit.multi_head import targets
from training.fit.teachers import blend

#: The record of what the views of a folder were made from.
ABOUT = "views.json"


def load_views(folder: Path, faces: Faces, share: float) -> tuple[Tensor, Tensor, int]:
    """Load the views of some training rows.

    Args:
        folder: the folder of the views.
        faces: the rows that they must have been made from.
        share: weight of the teachers' answers in the targets, 0–1; the labels have the rest. A row without a label
            has the teachers' answers alone, and a set of labels that no teacher knows has its labels alone.

    Returns:
        Pixels uint8 [views × N, C, H, W] and targets [views × N, classes], view after view; and the number of views.

    Raises:
        InvalidInputError: the folder holds no views, or views of other rows.
    """
    record = folder / ABOUT
    files = sorted(folder.glob("view-*.safetensors"))
    if not record.is_file() or not files:
        raise InvalidInputError(f"{folder} holds no views", hint="python -m training distil --help")
    if json.loads(record.read_text("utf-8"))["rows"] != digest(faces):
        raise InvalidInputError(f"the views in {folder} are of other pictures than this recipe trains on")
    parts = [load_file(path) for path in files]
    widths = [len(faces.labels), *([len(faces.other.labels)] if faces.other else [])]
    said = torch.stack([part["answers"] for part in parts])
    wanted = blend(targets(faces), said, widths, share)
    return torch.cat([part["pixels"] for part in parts]), wanted.flatten(0, 1), len(parts)


def digest(faces: Faces) -> str:
    """Return the SHA-256 of the pictures in their order."""
    return hashlib.sha256(faces.pixels.contiguous().numpy().tobytes()).hexdigest()


def path_of(folder: Path, view: int) -> Path:
    """Return the file of one view."""
    return folder / f"view-{view:03d}.safetensors"
