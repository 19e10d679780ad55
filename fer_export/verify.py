"""Every runtime against torch, on the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from fer_export import parity
from fer_export.checkpoint import Checkpoint
from fer_export.contract import Contract
from fer_export.errors import ContractError, UsageError
from fer_export.export import onnx, tfjs
from fer_export.runtime import Runtime
from fer_export.runtime.onnxruntime import OnnxRuntime
from fer_export.runtime.tfjs import Browser
from fer_export.runtime.torch import TorchRuntime
from fer_export.samples import Batch


def verify(
    checkpoint: Checkpoint,
    onnx_path: Path,
    tfjs_path: Path,
    batches: Sequence[Batch],
    *,
    runtimes: Sequence[str],
    tolerance: float | None = None,
    started: Callable[[str], object] = lambda name: None,
    net: nn.Module | None = None,
) -> list[parity.Figures]:
    """Measure; the caller decides with `parity.gate`.

    Args:
        checkpoint: the reference. Of code outside this project, and without `net`, torch cannot compute it:
            then the ONNX file is the reference, which the figures name.
        runtimes: `onnxruntime`, or `tfjs-` and a backend.
        tolerance: for all of them; by the weights' type where None.
        started: told the name of each runtime before its turn.
        net: of the checkpoint's architecture, where that is code outside this project.

    Raises:
        ContractError: an artefact was made from other weights.
        ParityError: a runtime cannot show numbers.
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
        _same_weights(checkpoint.contract, onnx.load(onnx_path)[1], onnx_path)
        reference = OnnxRuntime(onnx_path)
    else:
        reference = TorchRuntime(checkpoint.module(net), checkpoint.contract)
    figures: list[parity.Figures] = []
    with Browser() as browser:
        for name in runtimes:
            started(f"running {name}")
            if name == "onnxruntime":
                _, contract = onnx.load(onnx_path)
                _same_weights(checkpoint.contract, contract, onnx_path)
                figures += parity.measure(reference, OnnxRuntime(onnx_path), batches, contract, tolerance)
                continue
            _, contract = tfjs.load(tfjs_path)
            _same_weights(checkpoint.contract, contract, tfjs_path)
            with browser.open(tfjs_path, name.removeprefix("tfjs-")) as runtime:
                figures += parity.measure(reference, runtime, batches, contract, tolerance)
    return figures


def _same_weights(reference: Contract, contract: Contract, path: Path) -> None:
    if contract.weights_sha256 != reference.weights_sha256:
        raise ContractError(
            f"{path} was made from other weights than the checkpoint "
            f"({contract.weights_sha256[:12]}… and {reference.weights_sha256[:12]}…)",
            hint="export again: fer-export onnx, fer-export tfjs",
        )
