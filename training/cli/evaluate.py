"""This module is the command `python -m training evaluate`."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from training.cli import rows
from training.cli.options import device as device_option


@click.command("evaluate")
@options.ckpt
@click.option("--data", type=options.FilePath, help="Folder (or file) with the labelled pictures.")
@click.option(
    "--kind", type=click.Choice(rows.KINDS), help="What DATA is. Otherwise what the checkpoint was trained on."
)
@click.option("--protocol", type=click.Choice(["majority", "argmax", "soft"]), help="FER+ labels. [majority]")
@click.option(
    "--merge", "merged", multiple=True, metavar="NEW=OLD,OLD", help="As data.merge of the run; may be repeated."
)
@click.option("--split", type=click.Choice(rows.SPLITS), help=rows.SPLIT_HELP)
@click.option("--final", is_flag=True, help="The last look, at PrivateTest. It is counted.")
@click.option(
    "--against", type=options.Checkpoint(), metavar="CKPT", help="Compare with this one on the same rows (McNemar)."
)
@click.option("--views", type=click.IntRange(1, 10), default=1, show_default=True, help="Measure their average too.")
@click.option("--without-copies", is_flag=True, help="Leave out rows whose picture is in Training too.")
@click.option("-o", "--output", "folder", type=options.FilePath, help="Write the report there: pictures and a page.")
@device_option
@command
def main(
    output: Output,
    ckpt: Path | None,
    data: Path | None,
    kind: str | None,
    protocol: str | None,
    merged: tuple[str, ...],
    split: str | None,
    final: bool,
    against: Path | None,
    views: int,
    without_copies: bool,
    folder: Path | None,
    device: str,
) -> None:
    """Measure a checkpoint on one view of each picture, in float32, without augmentation.

    \b
    Examples:
      python -m training evaluate --data ../shared/data
      python -m training evaluate --data ../shared/data --views 10 -o build/report
      python -m training evaluate --ckpt runs/resnet9/best.safetensors \\
          --data ../shared/data --without-copies -o runs/resnet9
      python -m training evaluate --ckpt runs/fernet/best.safetensors \\
          --data ../shared/data --against ferplus
      python -m training evaluate --ckpt runs/fernet/best.safetensors \\
          --data ../shared/data --split PrivateTest --final
    """
    private = split == "PrivateTest"
    if private and not final:
        raise UsageError(
            "PrivateTest is for one look after the last choice: whoever chooses by it has no untouched rows left",
            hint="choose with --split PublicTest; at the very end add --final, and the look is counted",
        )
    if private and against:
        raise UsageError("--against is for choosing, and PrivateTest is not", hint="compare on PublicTest")
    if final and not private:
        raise UsageError(f"--final is for PrivateTest, not for {split or 'PublicTest'}", hint="add --split PrivateTest")

    from fer_export.formats import checkpoint as checkpoints
    from training import report
    from training.measure import test_set_ledger
    from training.measure.evaluation import evaluate
    from training.measure.paired import paired
    from training.report import statements, text

    path = ckpt or checkpoints.PRETRAINED
    loaded = checkpoints.load_checkpoint(path)
    run = path.resolve().parent
    test_set_ledger.past_looks(run)
    with output.working("reading the pictures"):
        faces = rows.choose(
            loaded.contract, data, kind, split, run=run, protocol=protocol, merged=merged, without_copies=without_copies
        )
    with rows.bar(output, int((faces.classes >= 0).sum()) * views) as progress:
        measured = evaluate(loaded, faces, views=views, progress=progress, device=device)
    pairs = None
    if against:
        other = checkpoints.load_checkpoint(against)
        with rows.bar(output, measured.samples) as progress:
            pairs = paired(measured, evaluate(other, faces, progress=progress, device=device))
    if private:
        test_set_ledger.record_look(
            run,
            weights_sha256=loaded.contract.weights_sha256,
            split=measured.split,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            figures={"accuracy": measured.accuracy, "macro_f1": measured.macro_f1, "samples": measured.samples},
        )
    seen = test_set_ledger.past_looks(run)
    output.add(checkpoint=str(path), **text.record(measured), private_looks=len(seen))
    width = min(output.console.width, 100)
    output.text(text.as_text(measured, width) + "\n")
    if pairs:
        output.add(against={"checkpoint": str(against), **vars(pairs)})
        output.text(textwrap.fill(text.compared(pairs, str(against)), width) + "\n")
    for sentence in (statements.chosen_by(loaded.contract, measured), statements.looked_at(loaded.contract, seen)):
        output.text(textwrap.fill(sentence, width))
    if folder is None:
        output.next("the same with -o FOLDER, for the pictures and the page")
        return
    history = run / "metrics.csv"
    with output.working("writing the report"):
        there = history if history.is_file() else None
        page = report.write(folder, loaded, measured, faces, history=there, run=run)
    output.add(report=str(page))
    output.text(f"report: {page}")
    output.next(f"fer-export onnx{f' --ckpt {ckpt}' if ckpt else ''}")
