"""Tensors inside a TF.js graph model, read by name in the browser."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_export.diagnose.bisect.finding import Array
from fer_export.runtimes import Answers, Pixels
from fer_export.runtimes.tfjs import Browser

_SILENT = ("Const", "Placeholder", "NoOp")


def tensors(directory: Path) -> list[str]:
    """The nodes of a graph model that compute something."""
    nodes = document(directory)["modelTopology"]["node"]
    return [node["name"] for node in nodes if node["op"] not in _SILENT]


def read(
    directory: Path, pixels: Pixels, names: Sequence[str], *, browser: Browser, backend: str
) -> tuple[Answers, dict[str, Array]]:
    """Run a graph model whose signature also names inner tensors.

    Args:
        pixels: [N, H, W, C], 0–255.
        names: of tensors, `node` or `node:k`.

    Returns:
        Its outputs, and the tensors as they are.

    Raises:
        InvalidInputError, ParityError: TF.js cannot load or run it.
    """
    changed = document(directory)
    outputs = list(changed["signature"]["outputs"])
    # TF.js answers whatever the signature names, and takes its keys as they are.
    for index, name in enumerate(names):
        tensor = name if ":" in name else f"{name}:0"
        changed["signature"]["outputs"][f"inner {index}"] = {"name": tensor, "dtype": "DT_FLOAT"}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for group in changed["weightsManifest"]:
            for shard in group["paths"]:
                shutil.copyfile(directory / shard, copy / shard)
        (copy / "model.json").write_text(json.dumps(changed), "utf-8")
        with browser.open(copy, backend) as runtime:
            answers = runtime(pixels)
    return (
        {name: answers[name] for name in outputs},
        {name: answers[f"inner {index}"] for index, name in enumerate(names)},
    )


def document(directory: Path) -> dict[str, Any]:
    """`model.json` of a folder."""
    found: dict[str, Any] = json.loads((directory / "model.json").read_text("utf-8"))
    return found
