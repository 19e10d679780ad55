"""`fer-export verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import FerExportError, UsageError

if TYPE_CHECKING:
    from fer_export.diagnose.bisect import Finding

RUNTIMES = ("onnxruntime", "onnxruntime-web", *(f"tfjs-{backend}" for backend in options.BACKENDS))
ALL = "all"
#: WebGPU and plain JavaScript take a minute where there is no GPU.
QUICK = ("onnxruntime", "tfjs-wasm", "tfjs-webgl")


@click.command("verify")
@click.argument("paths", nargs=-1, type=options.FilePath)
@click.option("--against", type=options.FilePath, help="Another reference than torch, for PATHS.")
@options.ckpt
@options.arch
@click.option("--onnx", "onnx_path", type=options.FilePath, default=options.ONNX_FILE, show_default=True)
@click.option("--tfjs", "tfjs_path", type=options.FilePath, default=options.MODEL_FOLDER, show_default=True)
@click.option(
    "--runtime", "runtimes", metavar="NAME", multiple=True, type=click.Choice([*RUNTIMES, ALL]), default=QUICK,
    show_default=True, help=f"{', '.join(RUNTIMES)}, or {ALL}; may be repeated.",
)  # fmt: skip
@click.option("--against-runtime", metavar="NAME", type=click.Choice(RUNTIMES), help="What runs --against, where that "
              "is an ONNX file or a TF.js folder.")  # fmt: skip
@click.option("--csv", type=options.FilePath, help="FER2013 (plain or packed) for real faces beside the packaged ones.")
@click.option("--split", default="PublicTest", show_default=True, help="Rows of --csv by their Usage.")
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
    onnx_path: Path,
    tfjs_path: Path,
    runtimes: tuple[str, ...],
    against_runtime: str | None,
    csv: Path | None,
    split: str,
    limit: int | None,
    tolerance: float | None,
    bisecting: bool,
) -> None:
    """Run the same pictures through torch and every other runtime, and print how far they differ.

    Pictures: a packaged public-domain portrait, turned, scaled and lit, with noise and flat ones;
    with --csv also real FER2013 faces. Exits 1 when a difference is over the tolerance, or a
    runtime shows no numbers, whatever the others show.

    With PATHS, just these: ONNX files, TF.js folders, SavedModels, frozen graphs (.pb), .tflite files
    and checkpoints, of any road, also against another of them than torch. TF.js folders run on each
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
    if against_runtime is not None and against is None:
        raise UsageError("--against-runtime is what runs the file of --against")
    if ALL in runtimes:
        runtimes = RUNTIMES
    from fer_export import parity
    from fer_export.diagnose import bisect
    from fer_export.formats import artefact, checkpoint
    from fer_export.importing import assemble
    from fer_export.parity import comparing, hops, samples

    if arch is not None and (paths or ckpt is None):
        raise UsageError("--arch names the code of --ckpt, for the files of --onnx and --tfjs")
    reference = against or ckpt or checkpoint.PRETRAINED
    module = None
    refusals: dict[str, FerExportError] = {}
    with output.working("loading torch") as say:
        # A checkpoint of somebody else's has no contract: the ONNX file made of it has.
        contract = artefact.read_contract(reference if arch is None else onnx_path)
        batches = samples.samples_for(contract)
        if csv is not None:
            say(f"reading {csv}")
            batches += samples.fer2013_samples(contract, csv, split, limit)
        if paths:
            backends = [name.removeprefix("tfjs-") for name in runtimes if name.startswith("tfjs-")]
            engines = [name for name in comparing.ENGINES if name == comparing.ENGINES[0] or name in runtimes]
            figures = comparing.compare(
                reference, paths, batches, backends=backends, engines=engines, against=against_runtime,
                tolerance=tolerance, started=say, refused=refusals.__setitem__,
            )  # fmt: skip
        else:
            loaded, net = assemble.load(reference, arch, contract)
            module = None if net is None else loaded.module(net)
            figures = hops.verify(
                loaded, onnx_path, tfjs_path, batches, runtimes=runtimes, tolerance=tolerance, started=say,
                refused=refusals.__setitem__, net=net,
            )  # fmt: skip
    count = sum(len(batch.names) for batch in batches)
    output.add(**{"reference" if against else "checkpoint": str(reference)}, samples=count)
    if refusals:
        output.add(refused={name: error.reason for name, error in refusals.items()})
        if not figures:
            _end(refusals)
    tolerances = " and ".join(f"{value:.0e}" for value in sorted({figure.tolerance for figure in figures}))
    output.parity(figures, f"{count} samples, reference {figures[0].reference}, tolerance {tolerances}")
    large = {figure.output: figure for figure in figures if figure.ok and figure.max_abs > figure.tolerance}
    for figure in large.values():
        output.text(f"{figure.output} has large values: {figure.limit:.1e} is allowed for it")
    if bisecting and not all(figure.ok for figure in figures):
        measured = (
            bisect.of_paths(reference, paths, figures) if paths else bisect.of_hops(onnx_path, tfjs_path, figures)
        )
        # Without its code torch cannot compute a net of somebody else's: its ONNX file was the reference.
        first = onnx_path if not paths and figures[0].reference == "onnxruntime" else reference
        with output.working("bisecting") as say:
            found = bisect.findings(first, measured, batches, onnx_path=onnx_path, module=module, started=say)
        _tell(output, found)
    for name, error in refusals.items():
        output.text(f"{name}: no numbers: {error.reason}")
    parity.gate(figures, hint="export again: fer-export onnx, fer-export tfjs, fer-export tf")
    _end(refusals)


def _tell(output: Output, found: Sequence[Finding]) -> None:
    """Where the first wrong operators are."""
    for line in [line for finding in found for line in finding.text()]:
        output.text(line)
    output.add(bisect=[finding.record() for finding in found])


def _end(refusals: Mapping[str, FerExportError]) -> None:
    """A runtime without numbers has shown nothing, however good those of the others are."""
    if refusals:
        raise next(iter(refusals.values()))
