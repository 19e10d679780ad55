"""This module writes what the plan has made: each net as soon as it is trained, a log and a table."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from fer_export.files import replacing, replacing_directory
from fer_export.formats.checkpoint import save
from training.data.sources import Split
from training.fit.checkpointing import WHOLE, head_checkpoint, metrics_by_head
from training.fit.multi_head import Head
from training.recipe import Recipe, as_yaml

LOG, TABLE = "log.jsonl", "table.md"
_COLUMNS = ("net", "role", "epochs", "pictures_s", "seconds", "ferplus", "ferplus_f1", "fer2013", "fer2013_f1", "file")


def write_net(
    folder: Path,
    net: nn.Module,
    recipe: Recipe,
    split: Split,
    heads: tuple[Head, ...],
    figures: Mapping[str, float],
    *,
    note: str,
    pack: bool = False,
    whole_alone: bool = False,
) -> Path:
    """Write a net as a run of `fit` would leave it, so that all commands take it.

    `last.safetensors` is the first head's checkpoint, `<kind>/last.safetensors` the second's, and
    `net-last.safetensors` with `recipe.yaml` the net with both, as a teacher.

    Args:
        folder: folder to write.
        net: the net with all heads.
        recipe: what it was trained by, with its own seed and architecture.
        split: what it was trained and checked on.
        heads: its heads.
        figures: metrics of both heads.
        note: text about the weights for the contract.
        pack: write one zip, `folder` with the suffix `.zip`, in place of the folder.
        whole_alone: leave out the checkpoints of the heads.

    Returns:
        What was written: the folder, or the zip.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with replacing_directory(folder) if not pack else _zipping(folder) as place:
        (place / "recipe.yaml").write_text(as_yaml(recipe), "utf-8")
        save_file(state, place / f"{WHOLE}last.safetensors")
        for head in heads if not whole_alone else ():
            own = metrics_by_head(figures, head)
            made = head_checkpoint(recipe, split, heads, head, state, own, note=note, synthetic=False)
            (place / head.place).mkdir(exist_ok=True)
            save(made, place / head.place / "last.safetensors")
    return folder.with_suffix(".zip") if pack else folder


@contextmanager
def _zipping(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, and write what is in it at the end as a zip; weights cannot be made smaller by packing."""
    with tempfile.TemporaryDirectory() as made, replacing(folder.with_suffix(".zip")) as temporary:
        yield Path(made)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(each for each in Path(made).rglob("*") if each.is_file()):
                archive.write(path, f"{folder.name}/{path.relative_to(made)}")


class Log:
    """Keep a line for each net in `log.jsonl` and all of them in `table.md`, both up to date after each.

    Args:
        folder: folder of the two files, which are begun anew.
        say: prints a line.
    """

    def __init__(self, folder: Path, say: Callable[[str], object] = print) -> None:
        self.folder, self.say = folder, say
        self.rows: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOG).write_text("", "utf-8")

    def line(self, record: Mapping[str, Any]) -> None:
        """Write one record."""
        text = json.dumps(record)
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(text + "\n")
        self.say(text)

    def net(self, row: Mapping[str, Any]) -> None:
        """Write the line of a net, and the table with it."""
        self.rows.append(dict(row))
        self.line(row)
        with replacing(self.folder / TABLE) as temporary:
            temporary.write_text(table(self.rows), "utf-8")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table; what a row lacks is a dash."""
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *([str(row.get(name, "–")) for name in _COLUMNS] for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
