"""This module is the command `python -m training calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from training.cli import rows
from training.cli.options import device as device_option
from training.cli.options import made_of


@click.command("calibrate")
@options.ckpt
@click.option("--data", type=options.FilePath, help="Folder (or file) with the labelled pictures.")
@click.option("--kind", type=click.Choice(rows.KINDS), help="What DATA is; otherwise what the checkpoint is for.")
@click.option("--protocol", type=click.Choice(["majority", "argmax", "soft"]), help="FER+ labels. [majority]")
@click.option("--split", type=click.Choice(("PublicTest", "all")), help=rows.SPLIT_HELP)
@click.option(
    "-o",
    "--output",
    "path",
    type=options.FilePath,
    help="Checkpoint to write; otherwise CKPT-calibrated, in this folder for a packaged model.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the five parts.")
@device_option
@command
def main(
    output: Output,
    ckpt: Path | None,
    data: Path | None,
    kind: str | None,
    protocol: str | None,
    split: str | None,
    path: Path | None,
    seed: int,
    device: str,
) -> None:
    """Fit a temperature on rows that were not trained on, and write it into the contract.

    The logits are divided by it before softmax, inside every exported graph. The
    answers stay the same, and the confidence then says how often they are right.
    The calibration error that is printed is measured on rows that the temperature
    was not fitted on (five parts).

    \b
    Examples:
      python -m training calibrate --ckpt runs/fernet/best.safetensors \\
          --data ../shared/data -o runs/fernet/calibrated.safetensors
      python -m training calibrate --ckpt x.pth --data faces --kind folder
    """
    from fer_export.formats import checkpoint
    from training.data.faces import ALL
    from training.weights.calibrate import calibrate

    source = ckpt or checkpoint.PRETRAINED
    loaded = checkpoint.load_checkpoint(source)
    faces = rows.choose(loaded.contract, data, kind, split, run=source.resolve().parent, protocol=protocol)
    trained = loaded.contract.training
    if split is None and ALL in faces.split and trained is not None and trained.data == faces.name:
        raise UsageError(
            f"the net was trained on {faces.name}, and nothing tells which of these pictures were not",
            hint="give it a folder with train/ and val/, or add --split all if these are other pictures",
        )
    with rows.bar(output, len(faces.labelled())) as progress:
        done = calibrate(loaded, faces, seed=seed, progress=progress, device=device)
    path = path or made_of(source, "calibrated")
    checkpoint.save(done, path)
    found = done.contract.calibration
    assert found is not None
    output.add(checkpoint=str(path), **found.model_dump())
    output.text(f"temperature {found.temperature:.3f}, {found.split}, n = {found.samples}: {found.protocol}")
    output.text(f"expected calibration error {found.ece_before:.4f} → {found.ece_after:.4f} (five parts, cross-fitted)")
    output.next(f"fer-export onnx --ckpt {path}")
