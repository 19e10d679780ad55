"""`fer-export verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import FerExportError, UsageError
from fer_export.runtimes.registry import names

if TYPE_CHECKING:
    from torch import nn

    from fer_export.diagnose.bisect import Finding
    from fer_export.parity import Figures
    from fer_export.parity.comparing import Reference, Turn

RUNTIMES = tuple(name for name in names() if name != "torch")
#: What a bare `verify` runs: the ONNX file and the TF.js folder.
BARE = (*names("onnx"), *names("tfjs"))
ALL = "all"


@click.command("verify")
@click.argument("paths", nargs=-1, type=options.FilePath)
@click.option("--against", type=options.FilePath, help="Another reference than torch, for PATHS.")
@options.ckpt
@options.arch
@click.option("--onnx", "onnx_path", type=options.FilePath, default=options.ONNX_FILE, show_default=True)
@click.option("--tfjs", "tfjs_path", type=options.FilePath, default=options.MODEL_FOLDER, show_default=True)
@click.option(
    "--runtime", "runtimes", metavar="NAME", multiple=True, type=click.Choice([*RUNTIMES, ALL]),
    help=f"{', '.join(RUNTIMES)}, or {ALL}; may be repeated. [onnxruntime, tfjs-wasm, tfjs-webgl]",
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
    from fer_export import parity
    from fer_export.diagnose import bisect
    from fer_export.formats import checkpoint
    from fer_export.parity import comparing, samples

    if arch is not None and (paths or ckpt is None):
        raise UsageError("--arch names the code of --ckpt, for the files of --onnx and --tfjs")
    reference = against or ckpt or checkpoint.PRETRAINED
    module = None
    refusals: dict[str, FerExportError] = {}
    with output.working("loading torch") as say:
        if paths:
            wanted = names() if ALL in runtimes else runtimes or None
            turns = comparing.turns(paths, wanted, titled=[reference], every=ALL not in runtimes)
            title = comparing.titles([reference, *paths])[reference]
            held = comparing.artefact_reference(reference, runtime=against_runtime, title=title)
        else:
            turns = _bare(runtimes, onnx_path, tfjs_path)
            turns, held, module = _against_module(turns, reference, arch, onnx_path)
        batches = samples.samples_for(held.contract)
        if csv is not None:
            say(f"reading {csv}")
            batches += samples.fer2013_samples(held.contract, csv, split, limit)
        figures = comparing.compare(
            held, turns, batches, tolerance=tolerance, started=say, refused=refusals.__setitem__
        )
    count = sum(len(batch.names) for batch in batches)
    output.add(**{"reference" if against else "checkpoint": str(reference)}, samples=count)
    _report(output, figures, refusals, count)
    if bisecting and not all(figure.ok for figure in figures):
        measured = bisect.by_turn(turns, figures)
        # Without its code torch cannot compute a net of somebody else's: its ONNX file was the reference.
        first = onnx_path if not paths and figures[0].reference == "onnxruntime" else reference
        with output.working("bisecting") as say:
            found = bisect.findings(first, measured, batches, onnx_path=onnx_path, module=module, started=say)
        _tell(output, found)
    for name, error in refusals.items():
        output.text(f"{name}: no numbers: {error.reason}")
    parity.gate(figures, hint="export again: fer-export onnx, fer-export tfjs, fer-export tf")
    _end(refusals)


def _bare(runtimes: tuple[str, ...], onnx_path: Path, tfjs_path: Path) -> list[Turn]:
    """The ONNX file and the TF.js folder in what was asked for."""
    from fer_export.parity import comparing

    unused = [name for name in runtimes if name not in (*BARE, ALL)]
    if unused:
        raise UsageError(f"neither {onnx_path} nor {tfjs_path} runs in {unused[0]}", hint="name what does: PATHS")
    wanted = BARE if ALL in runtimes else runtimes or comparing.QUICK
    paths = {**dict.fromkeys(names("onnx"), onnx_path), **dict.fromkeys(names("tfjs"), tfjs_path)}
    return [comparing.Turn(paths[name], name) for name in wanted]


def _report(output: Output, figures: Sequence[Figures], refusals: Mapping[str, FerExportError], count: int) -> None:
    """The table of what was measured."""
    if refusals:
        output.add(refused={name: error.reason for name, error in refusals.items()})
        if not figures:
            _end(refusals)
    tolerances = " and ".join(f"{value:.0e}" for value in sorted({figure.tolerance for figure in figures}))
    output.parity(figures, f"{count} samples, reference {figures[0].reference}, tolerance {tolerances}")
    large = {figure.output: figure for figure in figures if figure.ok and figure.max_abs > figure.tolerance}
    for figure in large.values():
        output.text(f"{figure.output} has large values: {figure.limit:.1e} is allowed for it")


def _against_module(
    turns: list[Turn], ckpt: Path, arch: str | None, onnx_path: Path
) -> tuple[list[Turn], Reference, nn.Module | None]:
    """Torch's own module as the reference or, of a net whose code is not at hand, the ONNX file that was made of it."""
    from fer_export.formats import artefact
    from fer_export.importing import assemble
    from fer_export.parity import comparing

    # A checkpoint of somebody else's has no contract: the ONNX file made of it has.
    contract = artefact.read_contract(ckpt if arch is None else onnx_path)
    loaded, net = assemble.load(ckpt, arch, contract)
    if not contract.architecture.foreign or net is not None:
        module = loaded.module(net)
        return turns, comparing.module_reference(loaded, ckpt, module), module
    turns = [turn for turn in turns if turn.runtime != "onnxruntime"]
    if not turns:
        raise UsageError(
            f"torch cannot compute {contract.architecture.name} without its code: the ONNX file is the "
            "reference, and nothing is left", hint="--runtime tfjs-wasm",
        )  # fmt: skip
    return turns, comparing.artefact_reference(onnx_path), None


def _tell(output: Output, found: Sequence[Finding]) -> None:
    """Where the first wrong operators are."""
    for line in [line for finding in found for line in finding.text()]:
        output.text(line)
    output.add(bisect=[finding.record() for finding in found])


def _end(refusals: Mapping[str, FerExportError]) -> None:
    """A runtime without numbers has shown nothing, however good those of the others are."""
    if refusals:
        raise next(iter(refusals.values()))
