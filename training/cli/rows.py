"""Which rows a checkpoint is measured on, the same for all commands that measure one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer_export.cli.output import Output
from fer_export.errors import UsageError

if TYPE_CHECKING:
    from fer_export.contract import Contract
    from training.data.faces import Faces
    from training.measure.evaluation import Progress

SPLITS = ("Training", "PublicTest", "PrivateTest")
#: Those that may be looked at as often as one likes.
OPEN_SPLITS = ("Training", "PublicTest")
KINDS = ("fer2013", "ferplus", "folder", "voc", "drawn")


def choose(
    contract: Contract,
    data: Path | None,
    kind: str | None,
    split: str,
    *,
    protocol: str | None = None,
    merged: tuple[str, ...] = (),
    without_copies: bool = False,
    limit: int | None = None,
) -> Faces:
    """The rows of one split, those without a label too.

    Args:
        contract: of the checkpoint; it tells the kind where none is given, and the pictures' channels.
        data: folder or file; `drawn` takes none.
        kind: of `KINDS`.
        split: of `SPLITS`.
        protocol: of FER+; majority where None.
        merged: NEW=OLD,OLD each.
        without_copies: leave out rows whose picture is in Training too.
        limit: only the first so many labelled rows.

    Raises:
        UsageError: options that do not go together.
        InvalidInputError: data that does not hold.
    """
    from training.data import classes
    from training.data.faces import TRAINING
    from training.data.sources import load_faces

    kind = kind or kind_of(contract, data)
    if protocol and kind != "ferplus":
        raise UsageError(f"--protocol is for FER+ votes, not for {kind}")
    if data is None and kind != "drawn":
        raise UsageError(f"{kind} needs its pictures", hint="add --data FOLDER")
    if data is not None and kind == "drawn":
        raise UsageError(f"drawn faces are made, not read: {data} would not be looked at", hint="no --data, or --kind")
    # Pictures of FER2013 are 48 × 48 whatever the net takes; they are enlarged batch by batch.
    size = contract.picture.height or 48 if kind in ("folder", "voc") else 48
    every = load_faces(kind, data, protocol=protocol or "majority", size=size, channels=contract.picture.channels)
    groups = dict(_group(text) for text in merged)
    every = classes.merge(every, groups) if groups else every
    chosen = every.of(split)
    if without_copies:
        if split == TRAINING:
            raise UsageError("--without-copies is for PublicTest and PrivateTest: Training rows are their own copies")
        from training.data.splits import public_without_copies

        kept = public_without_copies(every.of(TRAINING), chosen)
        chosen = replace(kept, protocol=f"{chosen.protocol}; without pictures that are in Training too")
    return chosen if limit is None else _first(chosen, limit)


@contextmanager
def bar(output: Output, total: int, what: str = "measuring") -> Iterator[Progress | None]:
    """A progress bar on stderr, where somebody looks at it; its function takes how many more are done."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress as Bar

    with Bar(console=output.notes, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda count: shown.advance(task, count)


def _first(faces: Faces, count: int) -> Faces:
    import numpy as np

    labelled = faces.labelled()
    if len(labelled) <= count:
        return labelled
    some = labelled.rows(np.arange(len(labelled)) < count)
    return replace(some, protocol=f"{faces.protocol}; the first {count:,} labelled rows")


def _group(text: str) -> tuple[str, list[str]]:
    new, equals, olds = text.partition("=")
    if not new or not equals or not olds:
        raise UsageError(f"--merge {text} is not NEW=OLD,OLD", hint="for example --merge angry=angry,disgust")
    return new, olds.split(",")


def kind_of(contract: Contract, data: Path | None) -> str:
    """What a checkpoint was trained on, by its contract, unless the folder itself is plainly of pictures."""
    from fer_export.data import fer2013
    from training.data import drawn, ferplus

    known = {drawn.LABELS: "drawn", ferplus.LABELS: "ferplus", fer2013.LABELS: "fer2013"}
    if data is not None and (data / "train").is_dir():
        return "folder"
    if contract.labels not in known:
        raise UsageError(f"nothing tells what kind of data has the labels {', '.join(contract.labels)}", hint="--kind")
    return known[contract.labels]
