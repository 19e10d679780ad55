"""`fer-export tfjs`."""

from __future__ import annotations

from pathlib import Path

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.contract import WeightsDType
from fer_export.errors import UsageError

#: As in `fer_export/tfgraph/passes/`, which is not read before it is needed.
PASSES = ("fold_constants", "fold_pads", "sink_reshapes", "fold_batch_norm", "fuse_bias_activation")


@click.command("tfjs")
@click.option("--from", "source", type=options.FilePath, help="[build/fer.onnx; build/saved_model for tensorflowjs]")
@click.option("-o", "--output", "path", type=options.FilePath, default=options.MODEL_FOLDER, show_default=True)
@click.option(
    "--via", type=click.Choice(["direct", "tensorflowjs"]), default="direct", show_default=True,
    help="Our writer, or TensorFlow's from a SavedModel.",
)  # fmt: skip
@click.option("--weights", type=click.Choice(["float32", "float16", "uint8"]), default="float32", show_default=True)
@options.backends
@click.option("--without", metavar="PASS", multiple=True, type=click.Choice(PASSES), help="Leave out a pass of our "
              f"writer: {', '.join(PASSES)}; may be repeated.")  # fmt: skip
@click.option("--operators", is_flag=True, help="List the ONNX operators that are known, and stop.")
@command
def main(
    output: Output,
    source: Path | None,
    path: Path,
    via: str,
    weights: WeightsDType,
    backends: tuple[str, ...],
    without: tuple[str, ...],
    operators: bool,
) -> None:
    """Write an ONNX file as a TF.js graph model, without TensorFlow, and check it in a browser.

    With --via tensorflowjs: a SavedModel of fer-export tf through TensorFlow's own converter, as a
    second road to hold the first against.

    \b
    Examples:
      fer-export tfjs
      fer-export tfjs --from build/fer.onnx -o web/model --weights float16
      fer-export tfjs --backend wasm --backend webgl
      fer-export tfjs --without fuse_bias_activation -o build/unfused
      fer-export tfjs --via tensorflowjs -o build/tensorflowjs
    """
    if operators:
        from fer_export.tfgraph.operators import shape  # noqa: F401  (fills the table)
        from fer_export.tfgraph.registry import TABLE

        output.add(operators=sorted(TABLE))
        output.text("\n".join(sorted(TABLE)))
        return
    if without and via != "direct":
        raise UsageError("--without is of our own writer: --via direct")
    from fer_export.convert import tensorflowjs, tfjs
    from fer_export.formats.onnx import load_onnx
    from fer_export.runtimes.tfjs import Browser
    from fer_export.tfenv.worker import Worker

    chosen = source or (options.ONNX_FILE if via == "direct" else Path("build/saved_model"))
    with output.working("converting") as say, Browser() as browser, Worker("tf") as worker:
        if via == "direct":
            model, contract = load_onnx(chosen)
            say("converting, then checking in headless Chromium")
            written = tfjs.export(
                model, contract, path, browser=browser, weights=weights, backends=backends, without=without,
                keep=("detector",),
            )  # fmt: skip
        else:
            say("starting TensorFlow, then converting and checking in headless Chromium")
            written = tensorflowjs.export(
                chosen, path, worker=worker, browser=browser, weights=weights, backends=backends, keep=("detector",)
            )
    nodes = sum(written.operators.values())
    transposes = written.operators["Transpose"]
    output.text(
        f"{chosen} -> {path}  ({nodes} nodes, {transposes} transposes, {weights}, {written.bytes / 1e6:.2f} MB)"
    )
    output.parity(written.figures, f"{written.figures[0].samples} samples, reference {written.figures[0].reference}")
    output.add(path=str(path), via=via, weights=weights, bytes=written.bytes, operators=dict(written.operators))
    if via == "tensorflowjs":
        output.next(f"fer-export verify {path} --against {options.MODEL_FOLDER}")
        return
    if contract.crop is None:  # the page has no faces for it
        output.next(f"fer-export verify {path} --against {chosen}")
        return
    output.next("make web" if (path / "detector").is_dir() else "fer-export detector")
