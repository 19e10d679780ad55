"""This module is the command `fer-export bench-convert`."""

from __future__ import annotations

from statistics import median
from typing import Any

import click

from fer_export.cli.output import Output, command

_ROWS = ("s", "convert", "CPU s", "MB RAM", "nodes", "MB", "difference")
#: Key of a ratio → its name, in the order of the rows.
_RATIOS = {"time": "time", "time_without_imports": "time without imports", "cpu": "CPU time", "memory": "memory"}


@click.command("bench-convert")
@click.option("--model", "names", multiple=True, metavar="NAME", help="A packaged model, a checkpoint, an architecture "
              "or torchvision:NAME with random weights; NAME@SIDE for its size. May be repeated.")  # fmt: skip
@click.option("--turns", type=click.IntRange(1), default=3, show_default=True, help="Conversions by each route.")
@command
def main(output: Output, names: tuple[str, ...], turns: int) -> None:
    """Convert ONNX files to TF.js by two routes in turn: the direct writer, and onnx2tf with
    tensorflowjs_converter.

    Each conversion is a process of its own, timed from its start until the model is on disk, with
    imports and without checks. Exits 1 when the direct writer fails, has more nodes, or differs more
    from onnxruntime than rounding explains; never because of a time.

    \b
    Examples:
      fer-export bench-convert
      fer-export bench-convert --model ferplus --turns 5
      fer-export bench-convert --model torchvision:squeezenet1_1@64 --json
    """
    with output.working("loading torch") as say:
        from fer_export import bench_convert
        from fer_export.diagnose.bench.convert import MODELS

        found = bench_convert(
            names or MODELS, turns=turns, started=say,
            finished=lambda compared, size: _show_model(output, compared.record(), size),
        )  # fmt: skip
    output.add(**found.record())
    _show_summary(output, found.summary, found.machine, turns)
    found.check()


def _show_model(output: Output, record: dict[str, Any], size: str) -> None:
    """Print one model's times as soon as they are measured."""
    columns = [_column(record[road]) for road in ("direct", "official")]
    ratios = [f"{_three(record['ratios'][key]['median'])}×" for key in _RATIOS] if record["ratios"] else []
    ratios += [""] * (len(_ROWS) - len(ratios))
    rows = list(zip(_ROWS, *columns, ratios, strict=True))
    rows.append(("rounding", f"{record['rounding']:.1e}", "", ""))
    output.table(rows, ("", "direct", "official", "ratio"), title=f"{record['model']}, {size}", right=True)
    for road in ("direct", "official"):
        if record[road]["reason"]:
            output.text(f"  {road} failed: {record[road]['reason']}")
    for fault in record["faults"]:
        output.text(f"  FAULT: {fault}")
    output.text("")


def _column(side: dict[str, Any]) -> list[str]:
    """Return one converter's figures as text, in the order of `_ROWS`."""
    costs = side["costs"]
    without = [{"seconds": cost["seconds"] - cost["importing"]} for cost in costs]
    return [
        *(_middle(costs, "seconds"), _middle(without, "seconds"), _middle(costs, "cpu")),
        f"{max(cost['peak'] for cost in costs) / 1e6:.0f}" if costs else "",
        *(_told(side["nodes"], "d"), _told(side["bytes"], ".2f", 1e6), _told(side["difference"], ".1e")),
    ]


def _show_summary(output: Output, summary: dict[str, Any], computer: dict[str, Any], turns: int) -> None:
    count, failed = summary["compared"], summary["failed"]
    output.text(f"{computer['processor']}, {computer['cores']} cores; load before: {computer['load']}")
    output.text(f"{summary['models']} models, turns of each: {turns}; "
                f"failed: direct {failed['direct']}, official {failed['official']}")  # fmt: skip
    if not count:
        return
    output.text(f"official over direct, median of {count} models (lowest–highest):")
    ratios = summary["ratios"]
    nodes, difference = summary["nodes"], summary["difference"]
    output.table(
        (what, f"{_three(ratios[key]['median'])}× ({_three(ratios[key]['low'])}–{_three(ratios[key]['high'])})")
        for key, what in _RATIOS.items()
    )
    output.text("of direct:")
    larger = f"larger in {difference['larger']}, by {difference['excess']:.1e} at most"
    output.table(
        [
            ("nodes", f"fewer in {nodes['fewer']}, as many in {nodes['same']}, more in {nodes['more']}"),
            ("difference", f"{larger}; beyond rounding in {difference['beyond']}"),
        ]
    )
    output.text("")
    output.text("s: from the start of a process until the model is on disk, median of the turns;")
    output.text("convert: without the imports. RAM: most that was resident. MB: of all files,")
    output.text("without the contract, which only the direct one holds.")
    output.text("difference: the largest from onnxruntime, in TF.js wasm. rounding: how far")
    output.text("onnxruntime itself is from float64: by less than that, no difference is larger.")


def _middle(costs: list[dict[str, float]], what: str) -> str:
    return f"{median(cost[what] for cost in costs):.2f}" if costs else ""


def _told(value: float | None, form: str, unit: float | None = None) -> str:
    return "" if value is None else f"{value if unit is None else value / unit:{form}}"


def _three(value: float) -> str:
    return f"{value:.{1 if value < 100 else 0}f}"
