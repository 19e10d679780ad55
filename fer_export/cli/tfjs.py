"""This module is the command `fer-export tfjs`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.contract import WeightsDType
from fer_export.convert.exporting import VIAS, Via
from fer_export.errors import UsageError
from fer_export.formats.places import MODEL_FOLDER, ONNX_FILE, SAVED_MODEL
from fer_export.tfgraph.passes import PASSES


@click.command("tfjs")
@click.option("--from", "source", type=options.FilePath, help="[build/fer.onnx; build/saved_model for tensorflowjs]")
@click.option("-o", "--output", "path", type=options.FilePath, default=MODEL_FOLDER, show_default=True)
@click.option(
    "--via", type=click.Choice(VIAS), default="direct", show_default=True,
    help="Our writer, or TensorFlow's from a SavedModel.",
)  # fmt: skip
@click.option("--weights", type=click.Choice(get_args(WeightsDType)), default="float32", show_default=True)
@options.backends
@click.option("--without", metavar="PASS", multiple=True, type=click.Choice(tuple(PASSES)), help="Leave out a pass of "
              f"our writer: {', '.join(PASSES)}; may be repeated.")  # fmt: skip
@options.force
@click.option("--operators", is_flag=True, help="List the ONNX operators that are known, and stop.")
@command
def main(
    output: Output,
    source: Path | None,
    path: Path,
    via: Via,
    weights: WeightsDType,
    backends: tuple[str, ...],
    without: tuple[str, ...],
    force: bool,
    operators: bool,
) -> None:
    """Write an ONNX file as a TF.js graph model, without TensorFlow, and check it in a browser.

    With --via tensorflowjs, TensorFlow's own converter writes it from a SavedModel of fer-export tf,
    as a second route to compare with the first.

    \b
    Examples:
      fer-export tfjs
      fer-export tfjs --from build/fer.onnx -o web/model --weights float16
      fer-export tfjs --backend wasm --backend webgl
      fer-export tfjs --without fuse_bias_activation -o build/unfused
      fer-export tfjs --via tensorflowjs -o build/tensorflowjs
    """
    if operators:
        _operators(output)
        return
    if without and via != "direct":
        raise UsageError("--without is of our own writer: --via direct")
    chosen = source or (ONNX_FILE if via == "direct" else SAVED_MODEL)
    with output.working("reading the model") as say:
        from fer_export import export, load

        model = load(chosen, "onnx" if via == "direct" else "saved_model")
        written = export(
            model, path, format="tfjs", via=via, weights=weights, backends=backends, without=without, force=force,
            started=say,
        )  # fmt: skip
    nodes = sum(written.operators.values())
    transposes = written.operators.get("Transpose", 0)
    output.text(
        f"{chosen} -> {path}  ({nodes} nodes, {transposes} transposes, {weights}, {written.bytes / 1e6:.2f} MB)"
    )
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference {written.figures[0].reference}")
    output.add(path=str(path), via=via, weights=weights, bytes=written.bytes, operators=dict(written.operators))
    if via == "tensorflowjs":
        output.next(f"fer-export verify {path} --against {MODEL_FOLDER}")
        return
    if written.contract.crop is None:  # the page has no faces for it
        output.next(f"fer-export verify {path} --against {chosen}")
        return
    output.next(f"fer-export page -o site --model {path}")


def _operators(output: Output) -> None:
    """List the ONNX operators that the direct writer knows."""
    for name in options.written():
        if name not in ("--operators", "--json"):
            raise UsageError(f"--operators lists and stops: {name} changes nothing")
    from fer_export.tfgraph.operators import shape  # noqa: F401  (fills the table)
    from fer_export.tfgraph.registry import TABLE

    output.add(operators=sorted(TABLE))
    output.text("\n".join(sorted(TABLE)))
