"""This module holds the hops of `export`, and the options that each of them uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from fer_export import parity
from fer_export.contract import Contract, Converter, WeightsDType
from fer_export.errors import ContractError
from fer_export.formats.model import Model, Source, as_model
from fer_export.formats.sources import find_checkpoint

Hop = Literal["onnx", "tfjs", "saved_model", "litert", "tensorflowjs"]
#: The hops from a checkpoint to each format, and to TF.js by TensorFlow's converter.
HOPS: dict[str, tuple[Hop, ...]] = {
    "onnx": ("onnx",),
    "tfjs": ("onnx", "tfjs"),
    "tensorflowjs": ("onnx", "saved_model", "tensorflowjs"),
    "saved_model": ("onnx", "saved_model"),
    "litert": ("onnx", "saved_model", "litert"),
}
#: The names of the `Options` that each hop uses.
OBEYS: dict[Hop, tuple[str, ...]] = {
    "onnx": ("opset", "batch"),
    "tfjs": ("weights", "backends", "without"),
    "tensorflowjs": ("weights", "backends"),
    "saved_model": ("converter", "frozen", "checkpoint"),
    "litert": (),
}


@dataclass(frozen=True)
class Options:
    """Hold the arguments of `export` that only some hops use; None where an argument was not given."""

    weights: WeightsDType | None = None
    opset: int | None = None
    batch: int | None = None
    backends: Sequence[str] | None = None
    without: Collection[str] | None = None
    converter: Converter | None = None
    frozen: Path | None = None
    checkpoint: Source | None = None

    def given(self) -> list[str]:
        """Return the names of the options that were given."""
        return [each.name for each in fields(self) if getattr(self, each.name) is not None]


@dataclass(frozen=True)
class Written:
    """Describe what a hop has written, and its parity."""

    path: Path
    contract: Contract
    figures: Sequence[parity.Figures]
    bytes: int
    operators: Mapping[str, int] = field(default_factory=dict)


def run_hop(hop: Hop, source: Model, path: Path, options: Options, *, force: bool) -> Written:
    """Run one hop.

    Args:
        hop: the hop's name.
        source: the model to start from, of the kind that the hop takes.
        path: the file or folder to write.
        options: the options given to `export`; those that this hop does not use are for other hops.
        force: replace whatever is at `path`.

    Raises:
        FerExportError: the same as for the hop's own `export`.
    """
    return _RUN[hop](source, path, options, force)


def _onnx(source: Model, path: Path, options: Options, force: bool) -> Written:
    from fer_export.convert import onnx

    opset = options.opset or onnx.DEFAULT_OPSET
    made = onnx.export(source.module, source.contract, path, opset=opset, batch=options.batch, force=force)
    return Written(path, made.contract, made.figures, path.stat().st_size, made.operators)


def _tfjs(source: Model, path: Path, options: Options, force: bool) -> Written:
    from fer_export.convert import tfjs
    from fer_export.formats.onnx import load_onnx
    from fer_export.runtimes.tfjs import Browser

    model, contract = load_onnx(source.path)
    with Browser() as browser:
        made = tfjs.export(
            model, contract, path, browser=browser, weights=options.weights or "float32",
            backends=options.backends or ("wasm",), without=options.without or (), force=force,
        )  # fmt: skip
    return Written(path, made.contract, made.figures, made.bytes, made.operators)


def _tensorflowjs(source: Model, path: Path, options: Options, force: bool) -> Written:
    from fer_export.convert import tensorflowjs
    from fer_export.runtimes.tfjs import Browser
    from fer_export.tfenv.worker import Worker

    with Browser() as browser, Worker("tf") as worker:
        made = tensorflowjs.export(
            source.path, path, worker=worker, browser=browser, weights=options.weights or "float32",
            backends=options.backends or ("wasm",), force=force,
        )  # fmt: skip
    return Written(path, made.contract, made.figures, made.bytes, made.operators)


def _saved_model(source: Model, path: Path, options: Options, force: bool) -> Written:
    from fer_export.convert import saved_model
    from fer_export.formats.onnx import load_onnx
    from fer_export.tfenv.worker import Worker

    model, contract = load_onnx(source.path)
    converter = options.converter or "direct"
    opset15 = _opset15(contract, options.checkpoint) if converter == "onnx-tf" else None
    with Worker(saved_model.ENVIRONMENT[converter]) as worker:
        made = saved_model.export(
            model, contract, path, worker=worker, converter=converter, frozen=options.frozen, opset15=opset15,
            force=force,
        )  # fmt: skip
    return Written(path, made.contract, made.figures, made.bytes)


def _opset15(contract: Contract, checkpoint: Source | None) -> bytes:
    """Export the model in opset 15, which only torch can write."""
    from fer_export.convert.opset15 import made_again

    source = checkpoint or find_checkpoint(contract)
    if source is None:
        raise ContractError(
            "onnx-tf needs opset 15, which is made from the checkpoint, and none of these weights is packaged or "
            "below runs/",
            hint="name it: --ckpt FILE, with --arch NET where its code is not of this project",
        )
    model = as_model(source)
    if model.checkpoint is None:
        raise ContractError(f"onnx-tf needs opset 15, which is made from the checkpoint, and {model.path} is none")
    return made_again(model.checkpoint, contract, batch=contract.fixed_batch, net=model.net)


def _litert(source: Model, path: Path, options: Options, force: bool) -> Written:
    from fer_export.convert import litert
    from fer_export.tfenv.worker import Worker

    with Worker("tf") as worker:
        made = litert.export(source.path, path, worker=worker, force=force)
    return Written(path, made.contract, made.figures, made.bytes)


_RUN: Mapping[Hop, Callable[[Model, Path, Options, bool], Written]] = {
    "onnx": _onnx,
    "tfjs": _tfjs,
    "tensorflowjs": _tensorflowjs,
    "saved_model": _saved_model,
    "litert": _litert,
}
