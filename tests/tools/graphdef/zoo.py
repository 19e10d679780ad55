"""This module converts torchvision's classification zoo to TF.js, and records which nets convert and how closely.

    cd tests && python -m tools.graphdef.zoo [NAME ...] [--limit 10] [--keep FOLDER] [--again]

Each net gets random weights and runs at its own input size, net by net, the smallest of each family
first. Every net adds a line to `zoo.csv` when it is done, and one that has a line is not run again,
so that the command can be stopped and taken up at any time. With `--keep`, the ONNX files and torch's
answers are kept there, and a net that is run `--again` is not exported again.

It lives beside the tests and not in the package, since it needs `web/node_modules` and Node.
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from fer_export.errors import FerExportError
from fer_export.tfgraph import convert

from . import tfjs_node

RESULTS = Path(__file__).with_name("zoo.csv")
#: What the issue asks for.
LARGEST_GFLOPS, TOLERANCE = 30.0, 1e-3
_FIELDS = ("model", "family", "gflops", "size", "outcome", "relative", "spread", "nodes", "transposes", "ms", "seconds",
           "why")  # fmt: skip


class Entry(NamedTuple):
    """A net of the zoo: its name, the module that defines it, its cost, and the side of its pictures."""

    name: str
    family: str
    gflops: float
    size: int


def entries() -> list[Entry]:
    """All nets up to 30 GFLOPs: the smallest of each family first, then the next of each."""
    import torchvision

    found: dict[str, list[Entry]] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        weights = torchvision.models.get_model_weights(name).DEFAULT
        crop = weights.transforms.keywords["crop_size"]
        family = torchvision.models.get_model_builder(name).__module__.rpartition(".")[2]
        entry = Entry(name, family, float(weights.meta["_ops"]), int(crop))
        if entry.gflops <= LARGEST_GFLOPS:
            found.setdefault(family, []).append(entry)
    ranked = [(rank, entry.gflops, entry) for group in found.values()
              for rank, entry in enumerate(sorted(group, key=lambda entry: entry.gflops))]  # fmt: skip
    return [entry for *_, entry in sorted(ranked)]


def module_of(entry: Entry) -> Any:
    """The net with random weights, none constant: a head of zeros or a branch scaled to nothing shows nothing."""
    import torch
    import torchvision

    torch.manual_seed(0)
    extra = {"init_weights": False} if entry.family in ("googlenet", "inception") else {}
    net = torchvision.models.get_model(entry.name, weights=None, **extra).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(layer.running_var, 0.8, 1.2)
            torch.nn.init.uniform_(layer.bias, -0.1, 0.1)
    for weights in net.parameters():
        value = weights.detach().flatten()[0].item()
        if weights.numel() > 1 and bool((weights == value).all()):
            low, high = (-0.05, 0.05) if value == 0 else (0.8 * max(value, 0.1), 1.2 * max(value, 0.1))
            torch.nn.init.uniform_(weights, low, high)
    return net


def exported(entry: Entry, keep: Path | None) -> tuple[onnx.ModelProto, Any, Any]:
    """The net as ONNX with a free batch, a picture, and torch's answer to it."""
    import torch

    path = None if keep is None else keep / f"{entry.name}.onnx"
    if path is not None and path.is_file():
        kept = np.load(path.with_suffix(".npz"))
        return onnx.load(path), kept["pixels"], kept["wanted"]
    net = module_of(entry)
    pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, entry.size, entry.size)).astype(np.float32))
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, (pixels,), dynamo=True, verbose=False, opset_version=20, input_names=["x"], output_names=["y"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )  # fmt: skip
        wanted = net(pixels[:1]).numpy()
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".npz"), pixels=pixels[:1].numpy(), wanted=wanted)
        path.write_bytes(model.SerializeToString())
    return model, pixels[:1].numpy(), wanted


def measure(entry: Entry, keep: Path | None) -> dict[str, Any]:
    """One net's line of the CSV."""
    start = time.monotonic()
    row: dict[str, Any] = {**entry._asdict(), "model": entry.name, "why": ""}
    del row["name"]
    try:
        model, pixels, wanted = exported(entry, keep)
    except Exception as error:
        return {**row, "outcome": "not exported", "why": _line(error)}
    try:
        graph = convert(model)
    except FerExportError as error:
        return {**row, "outcome": "refused", "why": str(error)}
    operators = graph.operators()
    row |= {"nodes": sum(operators.values()), "transposes": operators["Transpose"]}
    try:
        (outcome,) = tfjs_node.run([tfjs_node.Job(entry.name, graph, [np.moveaxis(pixels, 1, -1)])])
    except RuntimeError as error:
        return {**row, "outcome": "failed", "why": _line(error)}
    if outcome.error:
        return {**row, "outcome": "failed", "why": outcome.error}
    apart = float(np.abs(outcome.outputs[0] - wanted).max())
    largest = float(np.abs(wanted).max())
    if not largest:
        return {**row, "outcome": "failed", "why": "the net answers zeros, which shows nothing"}
    relative = apart / largest
    return {
        **row,
        "outcome": "agrees" if relative <= TOLERANCE else "differs",
        "relative": f"{relative:.1e}",
        "spread": f"{apart / float(wanted.std()):.1e}",
        "ms": round(outcome.milliseconds[-1]),
        "seconds": round(time.monotonic() - start),
    }


def read(path: Path = RESULTS) -> dict[str, dict[str, str]]:
    """The lines that are there, by net."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def write(rows: Iterable[dict[str, Any]], path: Path = RESULTS) -> None:
    """All lines, by family and cost."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, _FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["family"], float(row["gflops"]))))
    temporary.replace(path)


def _line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def main() -> None:
    """Run what is asked for and has no line yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--limit", type=int, default=10**6)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    wanted = [entry for entry in entries() if not arguments.names or entry.name in arguments.names]
    done = 0
    for entry in wanted:
        if (entry.name in read() and not arguments.again) or done >= arguments.limit:
            continue
        row = measure(entry, arguments.keep)
        write([*(old for name, old in read().items() if name != entry.name), row])
        done += 1
        print(*(f"{key}={value}" for key, value in row.items() if value != ""), flush=True)
    rows = list(read().values())
    print(f"{sum(row['outcome'] == 'agrees' for row in rows)} of {len(rows)} tried agree; {len(entries())} in all")


if __name__ == "__main__":
    main()
