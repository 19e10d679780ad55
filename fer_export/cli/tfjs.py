"""`fer-export tfjs`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.export.quantize import Weights


@click.command("tfjs")
@click.option("--from", "source", type=options.FilePath, default=options.ONNX_FILE, show_default=True)
@click.option("-o", "--output", "path", type=options.FilePath, default=options.MODEL_FOLDER, show_default=True)
@click.option("--weights", type=click.Choice(["float32", "float16", "uint8"]), default="float32", show_default=True)
@options.backends
@click.option("--operators", is_flag=True, help="List the ONNX operators that are known, and stop.")
@command
def main(
    output: Output, source: Path, path: Path, weights: Weights, backends: tuple[str, ...], operators: bool
) -> None:
    """Write an ONNX file as a TF.js graph model, without TensorFlow, and check it in a browser.

    \b
    Examples:
      fer-export tfjs
      fer-export tfjs --from build/fer.onnx -o web/model --weights float16
      fer-export tfjs --backend wasm --backend webgl
    """
    if operators:
        from fer_export.export.graphdef.operators import shape  # noqa: F401  (fills the table)
        from fer_export.export.graphdef.registry import TABLE

        output.add(operators=sorted(TABLE))
        output.text("\n".join(sorted(TABLE)))
        return
    from fer_export.export import onnx, tfjs
    from fer_export.runtime.tfjs import Browser

    with output.working("converting") as say, Browser() as browser:
        model, contract = onnx.load(source)
        say("converting, then checking in headless Chromium")
        written = tfjs.export(
            model, contract, path, browser=browser, weights=weights, backends=backends, keep=("detector",)
        )
    nodes = sum(written.operators.values())
    transposes = written.operators["Transpose"]
    output.text(
        f"{source} -> {path}  ({nodes} nodes, {transposes} transposes, {weights}, {written.bytes / 1e6:.2f} MB)"
    )
    output.parity(written.figures, f"{written.figures[0].samples} pictures, reference onnxruntime")
    output.add(path=str(path), weights=weights, bytes=written.bytes, operators=dict(written.operators))
    output.next("make web" if (path / "detector").is_dir() else "fer-export detector")
