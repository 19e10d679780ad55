"""This module exports ONNX of opset 15 from torch, because onnx-tf 1.10 fails on most models of a later opset."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from fer_export.contract import Contract
from fer_export.convert.dynamo import blank
from fer_export.errors import ContractError, InvalidInputError, first_line
from fer_export.formats.checkpoint import Checkpoint

OPSET = 15


def made_again(
    checkpoint: Checkpoint, contract: Contract, *, batch: int | None = None, net: nn.Module | None = None
) -> bytes:
    """Export the model of an ONNX file again in opset 15, from the checkpoint that the file was made from.

    Args:
        net: a net of the checkpoint's architecture, needed where that is code outside this project.

    Raises:
        ContractError: the file was made from another checkpoint.
        InvalidInputError: the same as for `to_opset15`.
    """
    if checkpoint.contract.weights_sha256 != contract.weights_sha256:
        raise ContractError(
            "onnx-tf needs opset 15, which is made from the checkpoint, and the ONNX file was made from another one",
            hint="name it: --ckpt FILE, with --arch NET where its code is not of this project",
        )
    return to_opset15(checkpoint.module(net), contract, batch=batch)


def to_opset15(module: nn.Module, contract: Contract, *, batch: int | None = None) -> bytes:
    """Export with torch's TorchScript exporter, since the other one writes opset 18 whatever it is asked for.

    Args:
        module: maps all inputs, channels first, to the contract's outputs in order.
        batch: a fixed batch; None for a dynamic one.

    Raises:
        InvalidInputError: the exporter fails, or writes another opset.
    """
    free = {} if batch else {0: "N"}
    inputs = {spec.name: {**free, **({2: "H", 3: "W"} if spec.free else {})} for spec in contract.inputs}
    sizes = {axis: size for axis, size in inputs[contract.inputs[0].name].items() if axis}
    outputs = {output.name: {**free, **(sizes if 0 in output.shape else {})} for output in contract.outputs}
    # torch's type stubs allow only paths here.
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated
        try:
            torch.onnx.export(
                module.eval(),
                blank(contract, batch),
                buffer,
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={**inputs, **outputs},
            )
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            name = contract.architecture.name
            raise InvalidInputError(f"torch.onnx cannot write {name} in opset {OPSET}: {first_line(error)}") from error
    model = onnx.load_model_from_string(buffer.getvalue())
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != OPSET:
        raise InvalidInputError(f"torch.onnx was asked for opset {OPSET} and wrote {written}")
    _reshaped(model)
    data: bytes = model.SerializeToString()
    return data


def _reshaped(model: onnx.ModelProto) -> None:
    """Replace Squeeze and Unsqueeze by Reshape where at most one size is free.

    Since opset 13 both take their axes as an input, and onnx-tf knows only opset 11's form. torch exports a flatten
    with a free batch as arithmetic on shapes with such an Unsqueeze.
    """
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    sizes = {
        entry.name: [size.dim_value if size.HasField("dim_value") else -1 for size in entry.type.tensor_type.shape.dim]
        for entry in (*graph.value_info, *graph.output)
        if entry.type.tensor_type.HasField("shape")
    }
    for node in model.graph.node:
        found = sizes.get(node.output[0])
        if node.op_type not in ("Squeeze", "Unsqueeze") or found is None or found.count(-1) > 1 or 0 in found:
            continue
        target = f"{node.output[0]}/target"
        model.graph.initializer.append(numpy_helper.from_array(np.array(found, np.int64), target))
        node.op_type, node.input[:] = "Reshape", [node.input[0], target]
        del node.attribute[:]
