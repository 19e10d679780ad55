"""This module runs torch's ONNX exporter (torch.export and onnxscript) and suppresses what it prints."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from fer_export.contract import Contract, Input
from fer_export.errors import InvalidInputError, first_line
from fer_export.models.wrapped import Wrapped

_NOISY = ("torch.onnx", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir")


def program(module: nn.Module, contract: Contract, *, opset: int, batch: int | None) -> torch.onnx.ONNXProgram:
    """Export a module, and make sure that no two values of the graph have the same name.

    Args:
        module: maps all inputs, channels first, to the contract's outputs in order.
        opset: the opset to ask for; below 18 the exporter writes 18 without a warning.
        batch: a fixed batch; None for a dynamic one.

    Raises:
        InvalidInputError: the module cannot be exported; the message gives the cause, which the exporter's own buries.
    """
    dynamic = tuple(_free_axes(spec, batch) for spec in contract.inputs)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # torch prints the whole graph of a net that it cannot trace.
    quiet = io.StringIO()
    with (
        warnings.catch_warnings(),
        redirect_stdout(quiet),
        redirect_stderr(quiet),
        _named_failure(contract.architecture.name),
    ):
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            module,
            blank(contract, batch),
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[spec.name for spec in contract.inputs],
            output_names=[output.name for output in contract.outputs],
            # For a module with *args, torch.export expects the shapes of all inputs as one argument.
            dynamic_shapes=(dynamic,) if isinstance(module, Wrapped) else dynamic,
        )
    assert made is not None
    _distinct(made.model)
    return made


def blank(contract: Contract, batch: int | None) -> tuple[Tensor, ...]:
    """Return one tensor for each input, filled with the middle of its range, to trace a module with."""
    return tuple(
        torch.full([batch or 2, *_sizes(spec)], sum(spec.range) // 2, dtype=getattr(torch, spec.dtype))
        for spec in contract.inputs
    )


def _sizes(spec: Input) -> list[int]:
    """Return an input's sizes, channels first; free ones are not square, so that swapped axes raise an error."""
    stand_ins = (spec.channels, 64, 80)
    return [size or stand_ins[axis] for axis, size in enumerate(spec.axes)]


def _free_axes(spec: Input, batch: int | None) -> dict[int, Any]:
    """Return the axes of an input, channels first, that stay free, in torch.export's form."""
    free = ([] if batch is not None else [0]) + ([2, 3] if spec.free else [])
    return dict.fromkeys(free, torch.export.Dim.DYNAMIC)


def _distinct(model: Any) -> None:
    """Rename inner values that have the name of an input or output, which torch does not check."""
    ends = [*model.graph.inputs, *model.graph.outputs]
    taken = {value.name for value in ends}
    for node in model.graph:
        for value in node.outputs:
            if value.name in taken and not any(value is end for end in ends):
                value.name = f"{value.name}/inner"


@contextmanager
def _named_failure(architecture: str) -> Iterator[None]:
    """Reduce the exporter's error, which is pages long, to its cause."""
    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        hint = "where the net is written for one batch size: --batch 1" if "specialized" in str(cause) else None
        raise InvalidInputError(f"torch.onnx cannot export {architecture}: {first_line(cause)}", hint=hint) from error
