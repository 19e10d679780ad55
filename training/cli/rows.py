"""This module chooses the rows that a checkpoint is measured on, for all commands that measure one."""

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

#: The splits that may be measured as often as one likes; `all` leaves PrivateTest out.
OPEN_SPLITS = ("Training", "PublicTest", "all")
SPLITS = (*OPEN_SPLITS, "PrivateTest")
#: The help text of --split.
SPLIT_HELP = "Rows to measure on. [PublicTest; all of a folder that has no validation part]"
KINDS = ("fer2013", "ferplus", "folder", "voc", "drawn")


def choose(
    contract: Contract,
    data: Path | None,
    kind: str | None,
    split: str | None,
    *,
    run: Path | None = None,
    protocol: str | None = None,
    merged: tuple[str, ...] = (),
    without_copies: bool = False,
    limit: int | None = None,
) -> Faces:
    """Read the rows that a checkpoint is to be measured on, those without a label too.

    Pictures in folders and VOC photos get the checkpoint's labels, matched by name or by what they mean.

    Args:
        contract: of the checkpoint; it tells the kind where none is given, and the pictures' channels.
        data: folder or file; `drawn` takes none.
        kind: of `KINDS`.
        split: of `SPLITS`; None for PublicTest, or for all pictures of a folder that has no validation part.
        run: the folder that the checkpoint is in. Its recipe tells which pictures of such a folder were set aside.
        protocol: of FER+; majority where None.
        merged: NEW=OLD,OLD each.
        without_copies: leave out rows whose picture is in Training too.
        limit: only the first so many labelled rows.

    Raises:
        UsageError: options that do not go together.
        InvalidInputError: data that does not hold.
    """
    from training.data import classes
    from training.data.faces import ALL, TRAINING
    from training.data.sources import load_faces, relabelled_faces

    kind = kind or kind_of(contract, data)
    if protocol and kind != "ferplus":
        raise UsageError(f"--protocol is for FER+ votes, not for {kind}")
    if data is None and kind != "drawn":
        raise UsageError(f"{kind} needs its pictures", hint="add --data FOLDER")
    if data is not None and kind == "drawn":
        raise UsageError(f"drawn faces are made, not read: {data} would not be looked at", hint="no --data, or --kind")
    groups = dict(_group(text) for text in merged)
    if kind in ("folder", "voc"):
        assert data is not None
        every, split = _of_folder(contract, data, kind, split, run)
        every = relabelled_faces(classes.merge(every, groups) if groups else every, contract.labels)
    else:
        # Pictures of FER2013 are 48 × 48 whatever the net takes; they are enlarged batch by batch.
        every = load_faces(kind, data, protocol=protocol or "majority")
        every, split = classes.merge(every, groups) if groups else every, split or "PublicTest"
    chosen = _all_rows(every) if split == ALL else every.of(split)
    if without_copies:
        if split in (TRAINING, ALL):
            raise UsageError("--without-copies is for PublicTest and PrivateTest: Training rows are their own copies")
        from training.data.splits import public_without_copies

        kept = public_without_copies(every.of(TRAINING), chosen)
        chosen = replace(kept, protocol=f"{chosen.protocol}; without pictures that are in Training too")
    return chosen if limit is None else _first(chosen, limit)


def _of_folder(contract: Contract, data: Path, kind: str, split: str | None, run: Path | None) -> tuple[Faces, str]:
    """Read a folder of pictures or VOC photos, and find out which of its rows are meant."""
    from training.data.faces import ALL, PUBLIC
    from training.data.sources import load_faces

    size, channels = contract.picture.height or 48, contract.picture.channels
    every = load_faces(kind, data, size=size, channels=channels, share=0)
    if split == ALL or (every.split == PUBLIC).any():
        return every, split or PUBLIC
    aside = _set_aside(run, kind, every.name, contract)
    if aside is None:
        if split == PUBLIC:
            raise UsageError(
                f"{data} has no validation part, and nothing tells which of its pictures were not trained on",
                hint="--split all, for pictures that the net never saw",
            )
        return every, split or ALL
    share, seed = aside
    return load_faces(kind, data, size=size, channels=channels, share=share, seed=seed), split or PUBLIC


def _set_aside(run: Path | None, kind: str, name: str, contract: Contract) -> tuple[float, int] | None:
    """Return share and seed by which a checkpoint's run held out pictures of this folder; None if it did not."""
    recipe_file = run / "recipe.yaml" if run else None
    if recipe_file is None or not recipe_file.is_file() or contract.training is None or contract.training.data != name:
        return None
    from training.recipe import read_recipe

    recipe = read_recipe(str(recipe_file))
    data = recipe.data_of(recipe.stages[-1])
    return (data.share, recipe.seed) if data.kind == kind else None


def _all_rows(every: Faces) -> Faces:
    """Return all rows but those of PrivateTest, as one split of their own."""
    import numpy as np

    from training.data.faces import ALL, PRIVATE

    rows = every.rows(every.split != PRIVATE)
    return replace(rows, split=np.full(len(rows), ALL))


@contextmanager
def bar(output: Output, total: int, what: str = "measuring") -> Iterator[Progress | None]:
    """Show a progress bar on stderr if it is a terminal; the function that it yields takes how many more are done."""
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
    """Return the kind of data that a checkpoint's contract names; `folder` where `data` plainly holds class folders.

    Raises:
        UsageError: no kind of data has the contract's labels.
    """
    from fer_export.data import fer2013
    from training.data import drawn, ferplus

    known = {drawn.LABELS: "drawn", ferplus.LABELS: "ferplus", fer2013.LABELS: "fer2013"}
    if data is not None and _of_class_folders(data):
        return "folder"
    if contract.labels not in known:
        raise UsageError(f"nothing tells what kind of data has the labels {', '.join(contract.labels)}", hint="--kind")
    return known[contract.labels]


def _of_class_folders(data: Path) -> bool:
    """Return whether a folder plainly holds pictures by class: it has folders of pictures, and no file of FER2013."""
    from fer_export.data import fer2013

    if (data / "train").is_dir():
        return True
    if not data.is_dir() or any(any(data.glob(f"{name}*")) for name in fer2013.FILES):
        return False
    from training.data import pictures

    below = [path for path in data.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    return bool(below) and all(pictures.find(path) for path in below)
