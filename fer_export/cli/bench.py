"""This module is the command `fer-export bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.diagnose.bench import RUNTIMES
from fer_export.errors import UsageError
from fer_export.formats.packaged import PRETRAINED
from fer_export.runtimes.tfjs import BACKENDS

if TYPE_CHECKING:
    from fer_export.diagnose.bench.run import Bench

PAGE = Path("web/index.html")


@click.command("bench")
@options.ckpt
@click.option(
    "--runtime", "runtimes", multiple=True, type=click.Choice(RUNTIMES),
    help="May be repeated. Otherwise all that are there.",
)  # fmt: skip
@click.option(
    "--backend", "backends", multiple=True, type=click.Choice(BACKENDS), default=("wasm",),
    show_default=True, help="TF.js backend; may be repeated.",
)  # fmt: skip
@click.option("--against", default="plain_cnn", show_default=True, help="plain_cnn, a checkpoint, or none.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), help="Also so many pictures a call.")
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True, help="Each has 20 calls of each net.")
@click.option("--page", is_flag=True, help=f"Also the frame rate of {PAGE} with a fake camera.")
@command
def main(
    output: Output,
    ckpt: Path | None,
    runtimes: tuple[str, ...],
    backends: tuple[str, ...],
    against: str,
    batches: tuple[int, ...],
    rounds: int,
    page: bool,
) -> None:
    """Time a model beside a plain CNN, in turn, on one thread of each runtime.

    Read the ratio and its range, since milliseconds depend on the machine; on a busy one neither means
    much. The command never fails because of a time.

    \b
    Examples:
      fer-export bench
      fer-export bench --ckpt runs/fernet/best.safetensors --runtime tfjs
      fer-export bench --against runs/resnet9/best.safetensors --batch 8
      fer-export bench --page --json
    """
    if options.written(["backends"]) and runtimes and "tfjs" not in runtimes:
        raise UsageError("--backend is of TF.js, and --runtime leaves that out", hint="--runtime tfjs")
    with output.working("loading torch") as say:
        from fer_export import bench

        found = bench(
            ckpt or PRETRAINED, against=against, runtimes=runtimes, backends=backends, batches=batches, rounds=rounds,
            index=PAGE if page else None, started=say,
        )  # fmt: skip
    output.add(**found.record())
    _show(output, found)


def _show(output: Output, found: Bench) -> None:
    computer, sides, notes = found.machine, found.sides, found.notes
    records = [timing.record() for timing in found.timings]
    versions = ", ".join(f"{name} {computer[name]}" for name in ("python", "torch", "tfjs") if computer.get(name))
    output.text(f"{computer['processor']}, {computer['cores']} cores; load before: {computer['load']}")
    output.text(versions)
    output.text("")
    rows = []
    for side, one in sides.items():
        files = ", ".join(f"{count / 1e6:.2f} MB as {kind}" for kind, count in one["weights_bytes"].items())
        weights = f"\nweight files of TF.js: {files}" if files else ""
        rows.append((side, f"{one['name']}: {one['cost'] or 'cost unknown'}{weights}"))
    output.table(rows)
    output.text("")
    names = [name for name in ("model", "reference") if name in sides]
    headings = ["runtime", "batch", *(f"{name} ms" for name in names), *(["ratio"] if len(sides) == 2 else [])]
    times = [
        [
            *(record["runtime"], str(record["batch"])),
            *(_spread(record[name], ("q1", "q3")) for name in names),
            *([_spread(record["ratio"], ("low", "high"))] if "ratio" in record else []),
        ]
        for record in records
    ]
    output.table(times, headings, right=True)
    output.text("")
    output.text("ms: median of all calls (quartiles). One thread, read-back included.")
    if len(sides) == 2:
        output.text("ratio: model over reference, in turn; median of the rounds (lowest–highest).")
        macs = [one["macs"] for one in sides.values() if one.get("macs")]
        if len(macs) == 2:
            output.text(f"Their MACs have the ratio {macs[0] / macs[1]:.2f}.")
    for name, note in notes.items():
        output.text(f"{name}: {note}")
    if found.page:
        _show_page(output, found.page)


def _show_page(output: Output, page: dict[str, Any]) -> None:
    output.text("")
    output.text(f"page: {page['fps']:.1f} frames/s on {page['backend']} with a fake camera (it gives 30 at most)")
    for name, what in (("followed", "known face followed"), ("searched", "whole frame searched")):
        if "median" in page[name]:
            milliseconds = _spread(page[name], ("q1", "q3"))
            output.text(f"  {what}: {milliseconds} ms in the worker, {page[name]['share']:.0%} of the frames")


def _spread(record: dict[str, float], ends: tuple[str, str]) -> str:
    return f"{_three(record['median'])} ({_three(record[ends[0]])}–{_three(record[ends[1]])})"


def _three(value: float) -> str:
    """Format a number with about three significant digits."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"
