"""This module reads tensors inside a TF.js graph model by name, in the browser."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_export.diagnose.bisect.finding import Array
from fer_export.runtimes import Inputs, Outputs
from fer_export.runtimes.tfjs import Browser

_SILENT = ("Const", "Placeholder", "NoOp")


def tensor_names(directory: Path) -> list[str]:
    """Return the names of the nodes of a graph model that compute something."""
    nodes = document(directory)["modelTopology"]["node"]
    return [node["name"] for node in nodes if node["op"] not in _SILENT]


def read_tensors(
    directory: Path, inputs: Inputs, names: Sequence[str], *, browser: Browser, backend: str
) -> tuple[Outputs, dict[str, Array]]:
    """Run a graph model whose signature also names inner tensors.

    Args:
        inputs: [N, …, C] by name.
        names: the tensors' names, `node` or `node:k`.

    Returns:
        Its outputs, and the tensors in their own layout.

    Raises:
        InvalidInputError, ParityError: TF.js cannot load or run the model.
    """
    changed = document(directory)
    outputs = list(changed["signature"]["outputs"])
    # TF.js returns every tensor that the signature names, under the signature's keys.
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
            answers = runtime(inputs)
    return (
        {name: answers[name] for name in outputs},
        {name: answers[f"inner {index}"] for index, name in enumerate(names)},
    )


def document(directory: Path) -> dict[str, Any]:
    """Read the `model.json` of a folder."""
    found: dict[str, Any] = json.loads((directory / "model.json").read_text("utf-8"))
    return found
