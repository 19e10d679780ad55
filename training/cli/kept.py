"""This module writes what a measuring command leaves in a folder: a JSON record and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_export.cli.output import Output


def keep(
    output: Output, folder: Path | None, name: str, record: dict[str, Any], draw: Callable[[Path], object]
) -> None:
    """Write `name`.json and `name`.png and print where they are; without a folder, print how to get them."""
    from fer_export.files import replacing

    if folder is None:
        output.next("the same with -o FOLDER, for the picture and a JSON")
        return
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    draw(folder / f"{name}.png")
    output.text(f"{folder / f'{name}.png'}, {folder / f'{name}.json'}")
