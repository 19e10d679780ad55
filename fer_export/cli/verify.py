"""This module is the command `fer-export verify`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from fer_export.formats.places import MODEL_FOLDER, ONNX_FILE
from fer_export.parity.verification import ALL, SPLIT, Verification, measure_all
from fer_export.runtimes.registry import names

if TYPE_CHECKING:
    from fer_export.diagnose.bisect import Finding
    from fer_export.formats.model import Source

#: All runtimes but torch, which is the reference.
RUNTIMES = tuple(name for name in names() if name != "torch")


@click.command("verify")
@click.argument("paths", nargs=-1, type=options.FilePath)
@click.option("--against", type=options.FilePath, help="Another reference than torch, for PATHS.")
@options.ckpt
@options.arch
@click.option("--onnx", "onnx_path", type=options.FilePath, help="The ONNX file to verify; with PATHS, what operators "
              f"are named by. [{ONNX_FILE}]")  # fmt: skip
@click.option("--tfjs", "tfjs_path", type=options.FilePath, help=f"The TF.js folder to verify. [{MODEL_FOLDER}]")
@click.option(
    "--runtime", "runtimes", metavar="NAME", multiple=True, type=click.Choice([*RUNTIMES, ALL]),
    help=f"{', '.join(RUNTIMES)}, or {ALL}; may be repeated. [onnxruntime, tfjs-wasm, tfjs-webgl]",
)  # fmt: skip
@click.option("--against-runtime", metavar="NAME", type=click.Choice(RUNTIMES), help="What runs --against, where that "
              "is an ONNX file or a TF.js folder.")  # fmt: skip
@click.option("--csv", type=options.FilePath, help="FER2013 (plain or packed) for real faces beside the packaged ones.")
@click.option("--split", help=f"Rows of --csv by their Usage. [{SPLIT}]")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows of --csv.")
@click.option("--tolerance", type=click.FloatRange(0, min_open=True), help="Largest difference for values up to 1, and "
              "a share of larger ones; 1e-4 for float32.")  # fmt: skip
@click.option("--bisect/--no-bisect", "bisecting", default=True, show_default=True, help="Name the first wrong "
              "operator of what is out of tolerance.")  # fmt: skip
@command
def main(
    output: Output,
    paths: tuple[Path, ...],
    against: Path | None,
    ckpt: Path | None,
    arch: str | None,
    onnx_path: Path | None,
    tfjs_path: Path | None,
    runtimes: tuple[str, ...],
    against_runtime: str | None,
    csv: Path | None,
    split: str | None,
    limit: int | None,
    tolerance: float | None,
    bisecting: bool,
) -> None:
    """Run the same pictures through a model's artefacts and what they were made from, and print how far they differ.

    Without PATHS, the ONNX file and the TF.js folder, as far as they exist, are compared with the
    checkpoint of their weights, which is searched among the packaged models and below runs/, or given
    by --ckpt. Where there is none, the TF.js folder is compared with the ONNX file.

    The pictures are a packaged public-domain portrait, turned, scaled and lit, with noise, and flat
    ones; with --csv also real FER2013 faces. Exits 1 when a difference is over the tolerance, or a
    runtime gives no numbers, whatever the others give.

    With PATHS, only these are compared: ONNX files, TF.js folders, SavedModels, frozen graphs (.pb),
    .tflite files and checkpoints, by any route, with torch or with --against. TF.js folders run on each
    backend of --runtime; ONNX files in onnxruntime, and in onnxruntime-web where it is asked for.

    \b
    Examples:
      fer-export verify
      fer-export verify --csv fer2013.csv.xz --split PublicTest --limit 200
      fer-export verify --runtime all
      fer-export verify --runtime onnxruntime --json
      fer-export verify build/saved_model build/fer.pb build/fer.tflite
      fer-export verify build/official --against web/model
      fer-export verify build/fer.onnx --runtime onnxruntime-web
      fer-export verify web/model --against web/model --against-runtime tfjs-cpu
      fer-export verify --ckpt x.pth --arch net.py:Net
    """
    if against is not None and not paths:
        raise UsageError(
            "--against wants PATHS to hold against it",
            hint="fer-export verify build/fer.tflite --against build/fer.onnx",
        )
    if against is not None and ckpt is not None:
        raise UsageError("--against and --ckpt are both what PATHS are held against: one of them")
    if arch is not None and (paths or ckpt is None):
        raise UsageError("--arch names the code of --ckpt, for the files of --onnx and --tfjs")
    with output.working("loading torch") as say:
        reference: Source | None = against or ckpt
        if arch is not None and ckpt is not None:
            reference = _with_code(ckpt, arch, onnx_path or ONNX_FILE)
        found = measure_all(
            *paths, against=reference, runtimes=runtimes, against_runtime=against_runtime, csv=csv, split=split,
            limit=limit, tolerance=tolerance, onnx=onnx_path, tfjs=tfjs_path, started=say,
        )  # fmt: skip
    output.add(**{"reference" if against else "checkpoint": str(found.reference)}, samples=found.samples)
    _report(output, found)
    if bisecting and not all(figure.ok for figure in found.figures):
        _bisect(output, found)
    for name, error in found.refused.items():
        output.text(f"{name}: no numbers: {error.reason}")
    found.check()


def _with_code(ckpt: Path, arch: str, onnx_path: Path) -> Source:
    """Read a checkpoint without a contract, by the contract of the ONNX file that was made from it."""
    from fer_export.formats.artefact import read_contract
    from fer_export.importing.loading import load_with_code

    return load_with_code(ckpt, arch, read_contract(onnx_path))


def _report(output: Output, found: Verification) -> None:
    """Print the table of what was measured."""
    if found.notes:
        output.add(notes=list(found.notes))
    if found.refused:
        output.add(refused={name: error.reason for name, error in found.refused.items()})
    if not found.figures:
        found.check()
    for note in found.notes:
        output.text(note)
    figures = found.figures
    tolerances = " and ".join(f"{value:.0e}" for value in sorted({figure.tolerance for figure in figures}))
    output.parity(figures, f"{found.samples} samples, reference {figures[0].reference}, tolerance {tolerances}")
    large = {figure.output: figure for figure in figures if figure.ok and figure.max_abs > figure.tolerance}
    for figure in large.values():
        output.text(f"{figure.output} has large values: {figure.limit:.1e} is allowed for it")


def _bisect(output: Output, found: Verification) -> None:
    """Say where the first wrong operators are."""
    with output.working("bisecting") as say:
        from fer_export.diagnose import bisect

        measured = bisect.by_turn(found.turns, found.figures)
        findings: Sequence[Finding] = bisect.findings(
            found.reference, measured, found.batches, onnx_path=found.onnx, module=found.module, started=say
        )
    for line in [line for finding in findings for line in finding.text()]:
        output.text(line)
    output.add(bisect=[finding.record() for finding in findings])
