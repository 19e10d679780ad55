"""This module is the command `fer-export info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command

if TYPE_CHECKING:
    from fer_export.contract import Contract, Input


@click.command("info")
@click.argument("path", type=options.Checkpoint(), required=False)
@command
def main(output: Output, path: Path | None) -> None:
    """Show the contract that an artefact carries.

    PATH is a checkpoint, a packaged model's name, an ONNX file, a TF.js folder, a SavedModel, a frozen
    graph (.pb) or a .tflite file.

    \b
    Examples:
      fer-export info
      fer-export info fer2013
      fer-export info build/fer.onnx
      fer-export info web/model --json
    """
    from fer_export import load
    from fer_export.formats.packaged import PRETRAINED

    path = path or PRETRAINED
    model = load(path)
    contract = model.contract
    output.add(path=str(path), contract=contract.to_object())
    training, calibration = contract.training, contract.calibration
    lines = {
        "file": str(path),
        "architecture": contract.architecture.name,
        "cost": str(model.cost or ""),
        "labels": ", ".join(contract.labels) or "none",
        "input": "; ".join(_input(each) for each in contract.inputs),
        "outputs": ", ".join(entry.name for entry in contract.outputs),
        "batch": str(contract.batch),
        "made by": _conversion(contract),
        "weights": f"{contract.weights_dtype}, sha256 {contract.weights_sha256[:16]}…",
        "license": contract.license,
        "trained": f"{training.data}; recipe {training.recipe}, seed {training.seed}, {training.note}"
        if training
        else "",
        "synthetic": "the training data were drawn by a program" if training and training.synthetic else "",
        "calibration": f"temperature {calibration.temperature:.3f}, ECE {calibration.ece_before:.3f} → "
        f"{calibration.ece_after:.3f} on {calibration.split}, n = {calibration.samples}"
        if calibration
        else "",
        "tools": ", ".join(f"{name} {version}" for name, version in contract.tools.items()),
    }
    rows = [(name, value) for name, value in lines.items() if value]
    rows += [
        (metric.name, f"{metric.value:.4f}  {metric.split}, n = {metric.samples}: {metric.protocol}")
        for metric in contract.metrics
    ]
    rows += [
        ("parity", f"{record.runtime}, {record.output}: max abs {record.max_abs:.1e} over {record.samples}")
        for record in contract.parity
    ]
    output.table(rows)


def _conversion(contract: Contract) -> str:
    made = contract.conversion
    if made is None:
        return ""
    converter = f", converter {made.converter}" if made.converter else ""
    return f"the hop {made.hop}{converter}" + (f", without {', '.join(made.without)}" if made.without else "")


def _input(spec: Input) -> str:
    if spec.kind == "values":
        kind = "values" if spec.dtype == "float32" else spec.dtype
        return (
            f"{spec.name}: {'×'.join(map(str, spec.axes)) or 'one of'} {kind}, {spec.range[0]:g} to {spec.range[1]:g}"
        )
    size = "free size" if spec.free else f"{spec.width}×{spec.height}"
    return f"{spec.name}: {size} {spec.color}, 0–255"
