"""This module is the command `python -m training gpu-plan`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli.output import Output, command
from training.cli import options

#: How long a plan with --tiny takes where no --seconds are given.
_TINY = 40.0


@click.command("gpu-plan")
@click.argument("data", metavar="SHEETS", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", "out", type=options.Folder, required=True, help="Folder to write; it must be new.")
@click.option(
    "--seconds", type=click.FloatRange(1), help="How long all of it may take, reading included. [520; 40 with --tiny]"
)
@click.option("--tiny", is_flag=True, help="Few pictures: every line runs on a CPU, and no figure means anything.")
@click.option("--pack", is_flag=True, help="One zip for each net, and the small teachers alone: eight files in all.")
@options.changes
@options.device
@command
def main(
    output: Output,
    data: Path,
    out: Path,
    seconds: float | None,
    tiny: bool,
    pack: bool,
    changes: tuple[str, ...],
    device: str,
) -> None:
    """Train five teachers, then four students that they teach in every step, within a time.

    Each net has a share of the time, and its schedule follows the clock, so any
    machine finishes. A net is written when it is done: what is there when the plan is
    killed is whole. SHEETS is a folder of picture sheets (training/data/sheets.py), or
    of FER2013 with FER+ votes. --set changes a setting of all nets.

    \b
    Examples:
      python -m training gpu-plan ../shared/data/fer2013_sheets -o runs/plan
      python -m training gpu-plan ../shared/data/fer2013_sheets \\
          -o runs/tiny --tiny
      fer-export onnx --ckpt runs/plan/fernet-patch-0/last.safetensors
    """
    from training.plan.plan import Plan, run
    from training.plan.written import table

    limit = seconds or (_TINY if tiny else 520.0)
    plan = Plan(data, out, limit, tiny, pack, device, changes, say=lambda line: click.echo(line, err=True))
    log = run(plan)
    output.add(folder=str(out), nets=log.rows)
    output.text(table(log.rows))
    best = max((row for row in log.rows if row["role"] == "student"), key=lambda row: row["ferplus"], default=None)
    if best is not None and not pack:
        output.next(f"fer-export onnx --ckpt {out / best['net'] / 'last.safetensors'}")
    elif best is not None:
        output.next(
            f"python -m zipfile -e {out / best['file']} . && fer-export onnx --ckpt {best['net']}/last.safetensors"
        )
