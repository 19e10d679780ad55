"""Every runtime against torch, on the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from torch import nn

from fer_export import parity
from fer_export.contract import Contract
from fer_export.errors import ContractError, UsageError
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import fixed_batch, load_onnx
from fer_export.formats.tfjs import load_tfjs
from fer_export.formats.tfjs import tfjs_batch as of_tfjs
from fer_export.parity.samples import Batch
from fer_export.runtimes import Runtime, onnxruntime_web
from fer_export.runtimes.fixed_batch import in_batches
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import BACKENDS, Browser
from fer_export.runtimes.torch import TorchRuntime

#: All that a checkpoint's ONNX file and TF.js model run in.
RUNTIMES = ("onnxruntime", onnxruntime_web.NAME, *(f"tfjs-{backend}" for backend in BACKENDS))


def verify(
    checkpoint: Checkpoint,
    onnx_path: Path,
    tfjs_path: Path,
    batches: Sequence[Batch],
    *,
    runtimes: Sequence[str],
    tolerance: float | None = None,
    started: Callable[[str], object] = lambda name: None,
    refused: parity.Refused | None = None,
    net: nn.Module | None = None,
) -> list[parity.Figures]:
    """Measure; the caller decides with `parity.gate`.

    Args:
        checkpoint: the reference. Of code outside this project, and without `net`, torch cannot compute it:
            then the ONNX file is the reference, which the figures name.
        batches: of any size, whatever batch the artefacts insist on.
        runtimes: of `RUNTIMES`.
        tolerance: for all of them; by the weights' type where None.
        started: told the name of each runtime before its turn.
        refused: told which runtime cannot be had or show numbers, and why; then the others have their turn. Where
            None, the first of these errors ends it.
        net: of the checkpoint's architecture, where that is code outside this project.

    Raises:
        ContractError: an artefact was made from other weights.
        MissingDependencyError, ParityError: a runtime cannot be had or show numbers, and nobody is told by `refused`.
        UsageError: the ONNX file is the reference, and nothing else was asked for.
    """
    reference: Runtime
    if checkpoint.contract.architecture.foreign and net is None:
        runtimes = [name for name in runtimes if name != "onnxruntime"]
        if not runtimes:
            name = checkpoint.contract.architecture.name
            raise UsageError(
                f"torch cannot compute {name} without its code: the ONNX file is the reference, and nothing is left",
                hint="--runtime tfjs-wasm",
            )
        model, contract = load_onnx(onnx_path)
        _same_weights(checkpoint.contract, contract, onnx_path)
        reference = in_batches(OnnxRuntime(onnx_path), fixed_batch(model))
    else:
        reference = TorchRuntime(checkpoint.module(net), checkpoint.contract)
    figures: list[parity.Figures] = []
    with Browser() as browser:
        for name in runtimes:
            started(f"running {name}")
            if name.startswith("tfjs-"):
                path, (document, contract) = tfjs_path, load_tfjs(tfjs_path)
                size = of_tfjs(document, contract)
            else:
                path, (model, contract) = onnx_path, load_onnx(onnx_path)
                size = fixed_batch(model)
            _same_weights(checkpoint.contract, contract, path)
            with parity.going_on(name, refused), _opened(name, path, browser) as runtime:
                figures += parity.measure(reference, in_batches(runtime, size), batches, contract, tolerance)
    return figures


def _opened(name: str, path: Path, browser: Browser) -> AbstractContextManager[Runtime]:
    if name == "onnxruntime":
        return nullcontext(OnnxRuntime(path))
    if name == onnxruntime_web.NAME:
        return onnxruntime_web.model(browser, path)
    return browser.open(path, name.removeprefix("tfjs-"))


def _same_weights(reference: Contract, contract: Contract, path: Path) -> None:
    if contract.weights_sha256 != reference.weights_sha256:
        raise ContractError(
            f"{path} was made from other weights than the checkpoint "
            f"({contract.weights_sha256[:12]}… and {reference.weights_sha256[:12]}…)",
            hint="export again: fer-export onnx, fer-export tfjs",
        )
