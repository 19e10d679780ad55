"""This module is the command `python -m training card`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from training.cli import rows


@click.command("card")
@click.option(
    "--ckpt", "paths", type=options.FilePath, multiple=True, required=True, help="A model; the default first."
)
@click.option("--data", type=options.FilePath, required=True, help="Folder with FER2013 and FER+.")
@click.option("--run", "runs", type=options.FilePath, multiple=True, help="Run of the same recipe, for the spread.")
@click.option("-o", "--output", "path", type=options.FilePath, required=True, help="Markdown file to write.")
@command
def main(output: Output, paths: tuple[Path, ...], data: Path, runs: tuple[Path, ...], path: Path) -> None:
    """Measure models on PublicTest and write their model card.

    \b
    Examples:
      python -m training card --ckpt fer_export/pretrained/ferplus.safetensors \\
          --ckpt fer_export/pretrained/fer2013.safetensors --data ../shared/data \\
          --run runs/student-0 --run runs/student-1 --run runs/student-2 \\
          -o fer_export/pretrained/README.md
    """
    from fer_export.errors import InvalidInputError
    from fer_export.files import replacing
    from fer_export.formats import checkpoint
    from fer_export.models import cost as costs
    from training.data.sources import load_faces
    from training.report.card import Shipped, render

    models = []
    for source in paths:
        loaded = checkpoint.load_checkpoint(source)
        kind = rows.kind_of(loaded.contract, data)
        seeds = [
            checkpoint.load_checkpoint(place / "last.safetensors").contract
            for run in runs
            for place in (run, run / kind)
            if (place / "last.safetensors").is_file()
        ]
        same = [contract for contract in seeds if contract.labels == loaded.contract.labels]
        with output.working(f"measuring {source}"):
            models.append(Shipped.measured(source.stem, loaded, load_faces(kind, data), same))
    cost = costs.of(checkpoint.load_checkpoint(paths[0]).contract)
    if cost is None or cost.macs is None:
        raise InvalidInputError(f"{paths[0]}: its multiply-accumulates cannot be counted")
    spelt = "python -m training card " + " ".join(
        [*(f"--ckpt {one}" for one in paths), "--data folder", *(f"--run {run}" for run in runs), f"-o {path}"]
    )
    text = render(
        models,
        macs=cost.macs,
        parameters=cost.parameters,
        command=spelt,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
    output.add(card=str(path))
    output.text(f"card: {path}")
