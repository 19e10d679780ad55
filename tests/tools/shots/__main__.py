"""This module is `make shots`: a picture of every state of the page, light and dark, on a desk and on a phone."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from page_states import SCHEMES, STATES, WINDOWS, by_camera, filmed, reached
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress

#: Height of a picture on the sheet that shows all of them, in pixels, and the gap between two.
HEIGHT, GAP = 400, 16


def main() -> None:
    """Take the pictures, and gather them on a sheet for each state."""
    parser = argparse.ArgumentParser(prog="make shots ARGS=…", description=__doc__)
    parser.add_argument("--only", action="append", choices=[state.name for state in STATES], help="this state; repeat")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the pictures")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    names = given.only or [state.name for state in STATES]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("looking", total=len(names) * len(SCHEMES) * len(WINDOWS))
        for camera, states in by_camera().items():
            wanted = [state for state in states if state.name in names]
            if not wanted:
                continue
            with tempfile.TemporaryDirectory() as folder, filmed(camera, Path(folder)) as browser:
                for state in wanted:
                    for scheme in SCHEMES:
                        for window in WINDOWS:
                            with reached(browser, state, scheme, window) as visit:
                                path = given.output / f"{state.name}-{scheme}-{window}.png"
                                visit.page.screenshot(path=path)
                            progress.advance(task)
    sheet(given.output, names).save(given.output / "all.png")
    print(f"{len(names) * len(SCHEMES) * len(WINDOWS)} pictures in {given.output}; all of them: {given.output}/all.png")


def sheet(folder: Path, names: list[str]) -> Image.Image:
    """Return all pictures side by side, a row for each state."""
    looks = [(scheme, window) for scheme in SCHEMES for window in WINDOWS]
    rows = []
    for name in names:
        shots = [Image.open(folder / f"{name}-{scheme}-{window}.png") for scheme, window in looks]
        rows.append([shot.resize((shot.width * HEIGHT // shot.height, HEIGHT)) for shot in shots])
    width = GAP + max(sum(shot.width + GAP for shot in row) for row in rows)
    whole = Image.new("RGB", (width, len(rows) * (HEIGHT + 2 * GAP) + GAP), "gray")
    draw = ImageDraw.Draw(whole)
    for index, (name, row) in enumerate(zip(names, rows, strict=True)):
        top = index * (HEIGHT + 2 * GAP)
        draw.text((GAP, top + 2), name, fill="white")
        left = GAP
        for shot in row:
            whole.paste(shot, (left, top + GAP))
            left += shot.width + GAP
    return whole


if __name__ == "__main__":
    main()
