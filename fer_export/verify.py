"""Every runtime against torch, on the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fer_export import parity
from fer_export.checkpoint import Checkpoint
from fer_export.contract import Contract
from fer_export.errors import ContractError
from fer_export.export import onnx, tfjs
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
) -> list[parity.Figures]:
    """Measure; the caller decides with `parity.gate`.

    Args:
        checkpoint: the reference.
        runtimes: `onnxruntime`, or `tfjs-` and a backend.
        tolerance: for all of them; by the weights' type where None.
        started: told the name of each runtime before its turn.

    Raises:
        ContractError: an artefact was made from other weights.
        ParityError: a runtime cannot show numbers.
    """
    reference = TorchRuntime(checkpoint.module(), checkpoint.contract)
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
