"""This module is `make bench-web`: the page's whole pipeline beside Human and face-api, in turn in one Chromium."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from fer_export.diagnose.bench import machine as machines
from tools.bench_web import frames
from tools.bench_web.measure import BENCH, OTHERS, OURS, WARM_UP, browser_page, read, summary
from tools.bench_web.transfer import transfer

WEB = BENCH.parent
TITLES = {
    "one face": "a stream, one face",
    "four faces": "a stream, four faces",
    "search, one face": "single pictures, one face",
    "search, four faces": "single pictures, four faces",
}


def main() -> None:
    """Measure, and print ratios first."""
    parser = argparse.ArgumentParser(prog="make bench-web ARGS=…", description=__doc__)
    parser.add_argument("--frames", type=int, default=150, help="frames of each stream (150)")
    parser.add_argument("--only-ours", action="store_true", help="leave the others out, as while changing the page")
    parser.add_argument("--photos", type=Path, help="a folder of photos, to count the faces that each finds")
    parser.add_argument("--node", default=shutil.which("node") or "node", help="Node, for Brotli")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    given = parser.parse_args()
    shutil.copyfile(WEB / "dist" / "models.js", BENCH / "models.js")
    record = measure(given)
    if given.json:
        json.dump(record, sys.stdout, indent=2)
        print()
    else:
        show(record)


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Return machine, transfer, and for each kind of frames each contender's summary."""
    names = (OURS,) if given.only_ours else (OURS, *OTHERS)
    made = {"one face": frames.one(given.frames + WARM_UP), "four faces": frames.four(given.frames + WARM_UP)}
    kinds = [(name, pictures, False) for name, pictures in made.items()]
    kinds += [
        (f"search, {name}", pictures[: WARM_UP + max(2, given.frames // 5)], True) for name, pictures in made.items()
    ]
    record: dict[str, Any] = {"machine": machines.machine(), "transfer": transfer(WEB, given.node), "frames": {}}
    with browser_page(names) as page, Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=len(kinds))
        for kind, pictures, alone in kinds:
            progress.update(task, description=TITLES[kind])
            times = read(page, names, pictures, rate=frames.RATE, alone=alone)
            record["frames"][kind] = {name: summary(times[name][WARM_UP:]) for name in names}
            progress.advance(task)
        if given.photos:
            counted = read(page, names, frames.photos(given.photos), rate=frames.RATE, alone=True)
            record["photos"] = {name: [int(result["faces"]) for result in counted[name]] for name in names}
    return record


def show(record: dict[str, Any]) -> None:
    """Print tables: ratios, then milliseconds."""
    console = Console()
    where = record["machine"]
    console.print(
        f"{where['processor']}, {where['cores']} cores, load {where['load']}; TF.js wasm, one thread, 640×480\n"
    )
    table = Table("frames", "contender", "times ours", "mean ms", "median", "p99", "p99/median", "faces", box=None)
    for kind, contenders in record["frames"].items():
        ours = contenders[OURS]["mean"]
        for name, row in contenders.items():
            cells = [f"{row[key]:.1f}" for key in ("mean", "median", "p99", "p99_over_median", "faces")]
            table.add_row(TITLES[kind] if name == OURS else "", name, f"{row['mean'] / ours:.1f}", *cells)
    console.print(table)
    total = sum(record["transfer"].values())
    parts = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in record["transfer"].items())
    console.print(f"\ntransfer, Brotli: {total / 1e6:.2f} MB ({parts})")
    for name, counts in record.get("photos", {}).items():
        console.print(f"faces on the photos: {name} {sum(counts)} ({', '.join(map(str, counts))})")


if __name__ == "__main__":
    main()
