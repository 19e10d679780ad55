"""This module is the command `fer-export onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from fer_export.cli import options
from fer_export.cli.output import Output, command
from fer_export.errors import UsageError
from fer_export.formats.packaged import PRETRAINED
from fer_export.formats.places import ONNX_FILE
from fer_export.importing.kinds import Kind

if TYPE_CHECKING:
    from fer_export.formats.model import Model

KINDS = ("auto", *get_args(Kind))


@click.command("onnx")
@options.ckpt
@click.option("-o", "--output", "path", type=options.FilePath, default=ONNX_FILE, show_default=True)
@click.option("--opset", type=click.IntRange(1), default=20, show_default=True, help="Opset of the file, exactly.")
@click.option("--batch", default="dynamic", show_default=True, help="dynamic, or a fixed number.")
@click.option("--arch", metavar="NET", help="Of a file without a contract: file.py:factory, package.module:factory "
              "or a registered name. Its code is run.")  # fmt: skip
@click.option("--arch-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="For the factory; may be repeated.")
@click.option("--input", "inputs", multiple=True, metavar="CxHxW", help="Of the pictures: 3x224x224, or 3x?x? for any "
              "size; 1 channel is gray, 3 are RGB, others have no colour. Of what is no picture: 10 for a vector, "
              "8x100, 1x16x32x32, or scalar; with a type, 128:int64 or 128:bool. NAME=CxHxW names it; repeat it for "
              "further inputs.")  # fmt: skip
@click.option("--range", "ranges", multiple=True, metavar="NAME=LOW:HIGH", help="What parity of an input that is no "
              "picture is measured within. [-1:1; whole numbers: what their table holds]")  # fmt: skip
@click.option("--bgr", is_flag=True, help="Three channels are BGR, as OpenCV reads pictures.")
@click.option("--scale", default="1/255", show_default=True, help="What the net's pixels of 0–255 are multiplied by.")
@click.option("--mean", default="0", show_default=True, help="Subtracted after --scale; one number for each channel.")
@click.option("--std", default="1", show_default=True, help="Divided by after --mean.")
@click.option("--labels", metavar="A,B,C", help="Of a classifier, in its order; or @FILE, one a line or JSON.")
@click.option("--output-kind", "kind", type=click.Choice(KINDS), default="auto", show_default=True, help="What a "
              "classifier answers; auto measures it.")  # fmt: skip
@click.option("--crop", type=click.Choice(["auto", "face", "none"]), default="auto", show_default=True, help="Whether "
              "the page aligns faces for it; auto: where labels are expressions.")  # fmt: skip
@click.option("--license", metavar="TEXT", help="Of the weights.")
@click.option("--entry", help="Of a file with several state dicts, the one to take.")
@click.option("--ignore", multiple=True, metavar="PREFIX", help="Leave out tensors whose names start so.")
@click.option("--save", type=options.FilePath, metavar="FILE", help="Keep weights and contract as .safetensors too.")
@options.force
@command
def main(
    output: Output,
    ckpt: Path | None,
    path: Path,
    opset: int,
    batch: str,
    arch: str | None,
    save: Path | None,
    force: bool,
    **told: Any,
) -> None:
    """Write a checkpoint as ONNX and show that onnxruntime computes what torch does.

    A checkpoint from another project carries no contract: --arch and the options after it say what is
    in it; the rest is measured or assumed, and printed. The checkpoint is opened without running
    any code from it. The code that --arch names is run.

    \b
    Examples:
      fer-export onnx
      fer-export onnx --ckpt runs/fernet/best.safetensors --force
      fer-export onnx --opset 18 --batch 1
      fer-export onnx --ckpt x.pth --arch net.py:Net --input 1x64x64 \\
        --mean 0.5 --std 0.5 --labels anger,happiness,neutral
      fer-export onnx --ckpt x.pth --arch torchvision:resnet18 \\
        --input 3x224x224 --mean 0.485,0.456,0.406 \\
        --std 0.229,0.224,0.225 --labels @classes.txt
      fer-export onnx --ckpt text.pth --arch net.py:Text \\
        --input ids=32:int64 --input mask=32:bool
    """
    fixed = _batch(batch)
    given = options.written(told)
    if arch is None and (given or save):
        raise UsageError(f"{(given or ['--save'])[0]} is for a checkpoint without a contract",
                         hint="--arch file.py:factory names its net")  # fmt: skip
    if arch is not None and ckpt is None:
        raise UsageError("--arch wants --ckpt: whose weights?")
    with output.working("loading torch") as say:
        from fer_export import export, load

        say("reading the checkpoint")
        source = ckpt or PRETRAINED
        model, assumed = (load(source), ()) if arch is None else _foreign(source, arch, told, given)
        exported = export(model, path, format="onnx", opset=opset, batch=fixed, save=save, force=force, started=say)
    output.text(f"{source} -> {path}  (opset {opset}, batch {batch}, {exported.bytes / 1e6:.2f} MB)")
    for sentence in assumed:
        output.text(f"assumed: {sentence}")
    output.parity(exported.figures, f"{exported.figures[0].samples} samples, reference torch")
    output.add(source=str(source), path=str(path), opset=opset, bytes=exported.bytes, operators=exported.operators)
    if arch is not None:
        output.add(assumed=list(assumed), saved=str(save) if save else None)
    output.next(f"fer-export tfjs --from {path}")


def _foreign(source: Path, arch: str, told: dict[str, Any], given: list[str]) -> tuple[Model, tuple[str, ...]]:
    """Read a checkpoint from another project; return the model, and what was assumed about it."""
    from fer_export.formats.model import Model
    from fer_export.importing import assemble
    from fer_export.importing.loading import load_with_code
    from fer_export.importing.options import parse_arguments, parse_input, parse_labels, parse_ranges

    contract = assemble.contract_of(source)
    if contract is not None:
        if given or not contract.architecture.foreign:
            raise UsageError(f"{source} has a contract, and {(given or ['--arch'])[0]} is for files without one")
        return load_with_code(source, arch, contract), ()
    if not told["inputs"]:
        raise assemble.no_input(source, told["entry"])
    inputs = tuple(parse_input(text, bgr=told["bgr"]) for text in told["inputs"])
    if told["bgr"] and not any(spec.kind == "picture" and spec.color == "bgr" for spec in inputs):
        raise UsageError("--bgr is for pictures of three channels, and no --input is one")
    said = assemble.ModelSpec(
        inputs=inputs,
        ranges=parse_ranges(told["ranges"], inputs),
        scale=told["scale"], mean=told["mean"], std=told["std"],
        labels=parse_labels(told["labels"]),
        kind=None if told["kind"] == "auto" else told["kind"],
        crop={"auto": None, "face": True, "none": False}[told["crop"]],
        license=told["license"] or assemble.NO_LICENSE,
    )  # fmt: skip
    arguments = parse_arguments(told["arguments"])
    made = assemble.assemble(source, arch, said, arguments=arguments, entry=told["entry"], ignore=told["ignore"])
    return Model(source, "torch", made.checkpoint.contract, made.checkpoint, made.net), made.assumed


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdigit() or not int(text):
        raise UsageError(f"--batch {text}: it is 'dynamic' or a number from 1")
    return int(text)
