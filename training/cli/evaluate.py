"""`python -m training evaluate`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError

if TYPE_CHECKING:
    from fer_export.contract import Contract
    from training.data.faces import Faces
    from training.evaluation import Progress

_SPLITS = ("Training", "PublicTest", "PrivateTest")
_KINDS = ("fer2013", "ferplus", "folder", "voc", "drawn")


@click.command("evaluate")
@options.ckpt
@click.option("--data", type=options.FilePath, help="Folder (or file) with the labelled pictures.")
@click.option("--kind", type=click.Choice(_KINDS), help="What DATA is. Otherwise what the checkpoint was trained on.")
@click.option("--protocol", type=click.Choice(["majority", "argmax", "soft"]), help="FER+ labels. [majority]")
@click.option(
    "--merge", "merged", multiple=True, metavar="NEW=OLD,OLD", help="As data.merge of the run; may be repeated."
)
@click.option("--split", type=click.Choice(_SPLITS), default="PublicTest", show_default=True)
@click.option("--final", is_flag=True, help="The last look, at PrivateTest. It is counted.")
@click.option("--views", type=click.IntRange(1, 10), default=1, show_default=True, help="Measure their average too.")
@click.option("--without-copies", is_flag=True, help="Leave out rows whose picture is in Training too.")
@click.option("-o", "--output", "folder", type=options.FilePath, help="Write the report there: pictures and a page.")
@command
def main(
    output: Output,
    ckpt: Path | None,
    data: Path | None,
    kind: str | None,
    protocol: str | None,
    merged: tuple[str, ...],
    split: str,
    final: bool,
    views: int,
    without_copies: bool,
    folder: Path | None,
) -> None:
    """Measure a checkpoint: one view, float32, no augmentation.

    \b
    Examples:
      python -m training evaluate --data ../shared/data
      python -m training evaluate --data ../shared/data --views 10 -o build/report
      python -m training evaluate --ckpt runs/resnet9/best.safetensors \\
          --data ../shared/data --without-copies -o runs/resnet9
      python -m training evaluate --ckpt runs/fernet/best.safetensors \\
          --data ../shared/data --split PrivateTest --final
    """
    private = split == "PrivateTest"
    if private and not final:
        raise UsageError(
            "PrivateTest is for one look after the last choice: whoever chooses by it has no untouched rows left",
            hint="choose with --split PublicTest; at the very end add --final, and the look is counted",
        )
    if final and not private:
        raise UsageError(f"--final is for PrivateTest, not for {split}", hint="add --split PrivateTest")

    from fer_export import checkpoint as checkpoints
    from training import looks, report
    from training.evaluation import evaluate
    from training.report import statements, text

    path = ckpt or checkpoints.PRETRAINED
    loaded = checkpoints.load(path)
    run = path.resolve().parent
    looks.looks(run)
    with output.working("reading the pictures"):
        faces = _faces(loaded.contract, data, kind, protocol, merged, split, without_copies)
    with _bar(output, int((faces.classes >= 0).sum()) * views) as progress:
        measured = evaluate(loaded, faces, views=views, progress=progress)
    if private:
        looks.looked(
            run,
            weights_sha256=loaded.contract.weights_sha256,
            split=split,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            figures={"accuracy": measured.accuracy, "macro_f1": measured.macro_f1, "samples": measured.samples},
        )
    seen = looks.looks(run)
    output.add(checkpoint=str(path), **text.record(measured), private_looks=len(seen))
    width = min(output.console.width, 100)
    output.text(text.as_text(measured, width) + "\n")
    for sentence in (statements.chosen_by(loaded.contract, split), statements.looked_at(loaded.contract, seen)):
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


def _faces(
    contract: Contract,
    data: Path | None,
    kind: str | None,
    protocol: str | None,
    merged: tuple[str, ...],
    split: str,
    without_copies: bool,
) -> Faces:
    from training.data import classes
    from training.data.faces import TRAINING
    from training.data.sources import load_faces

    kind = kind or _kind(contract, data)
    if protocol and kind != "ferplus":
        raise UsageError(f"--protocol is for FER+ votes, not for {kind}")
    if data is None and kind != "drawn":
        raise UsageError(f"{kind} needs its pictures", hint="add --data FOLDER")
    if data is not None and kind == "drawn":
        raise UsageError(f"drawn faces are made, not read: {data} would not be looked at", hint="no --data, or --kind")
    # Pictures of FER2013 are 48 × 48 whatever the net takes; they are enlarged batch by batch.
    size = contract.input.height or 48 if kind in ("folder", "voc") else 48
    every = load_faces(kind, data, protocol=protocol or "majority", size=size, channels=contract.input.channels)
    groups = dict(_group(text) for text in merged)
    every = classes.merge(every, groups) if groups else every
    chosen = every.of(split)
    if without_copies:
        if split == TRAINING:
            raise UsageError("--without-copies is for PublicTest and PrivateTest: Training rows are their own copies")
        from training.data.splits import public_without_copies

        kept = public_without_copies(every.of(TRAINING), chosen)
        return replace(kept, protocol=f"{chosen.protocol}; without pictures that are in Training too")
    return chosen


def _group(text: str) -> tuple[str, list[str]]:
    new, equals, olds = text.partition("=")
    if not new or not equals or not olds:
        raise UsageError(f"--merge {text} is not NEW=OLD,OLD", hint="for example --merge angry=angry,disgust")
    return new, olds.split(",")


def _kind(contract: Contract, data: Path | None) -> str:
    """What a checkpoint was trained on, by its contract, unless the folder itself is plainly of pictures."""
    from fer_export import fer2013
    from training.data import drawn, ferplus

    known = {drawn.LABELS: "drawn", ferplus.LABELS: "ferplus", fer2013.LABELS: "fer2013"}
    if data is not None and (data / "train").is_dir():
        return "folder"
    if contract.labels not in known:
        raise UsageError(f"nothing tells what kind of data has the labels {', '.join(contract.labels)}", hint="--kind")
    return known[contract.labels]


@contextmanager
def _bar(output: Output, total: int) -> Iterator[Progress | None]:
    """A progress bar on stderr, where somebody looks at it."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress as Bar

    with Bar(console=output.notes, transient=True) as bar:
        task = bar.add_task("measuring", total=total)
        yield lambda count: bar.advance(task, count)
