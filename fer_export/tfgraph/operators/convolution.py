"""This module converts convolutions; TensorFlow's kernels need [N, H, W, C] and filters [h, w, in, out]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_export.tfgraph.graph import INT32, Array, Attribute
from fer_export.tfgraph.layout import Value, channels_last, constant, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.joining import pieces
from fer_export.tfgraph.padding import explicit_pads, scheme
from fer_export.tfgraph.registry import operator


@dataclass(frozen=True)
class Window:
    """Describe how a filter slides along each spatial axis."""

    strides: list[int]
    dilations: list[int]
    pads: list[tuple[int, int]]
    padding: str | None


@operator(
    "Conv",
    attributes=("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    restrictions=("one to three spatial axes",),
)
def conv(context: NodeContext) -> Value:
    """Convert a plain, grouped or depthwise convolution; its bias becomes a BiasAdd of its own.

    1. One spatial axis becomes two, the first of size 1.
    2. One input channel for each group is TensorFlow's depthwise convolution.
    3. Other groups are separate convolutions: the input is split, the results are concatenated.
    4. Where a stride and a dilation both exceed 1, which TF.js refuses, zeros are inserted into the filter.
    """
    x, filters = context.value(0), context.value(1)
    if x.rank not in (3, 4, 5):
        context.fail(f"an input of rank {x.rank} is not known (only 3 to 5)")
    _outputs, per_group = filters.shape[:2]
    group, channels = context.attribute("group", 1), x.shape[1]
    if None in filters.shape:
        context.fail(f"a filter with free sizes {list(filters.shape)}")
    window, filters = _window(context, x, filters)
    x, filters, window = _raised(context, x, filters, window)  # rule 1
    layout = channels_last(x.rank)
    if group > 1 and group == channels and per_group == 1 and x.rank == 4:  # rule 2
        weights = _depthwise_filter(context, filters, group)
        tensor = _convolve(context, "DepthwiseConv2dNative", context.builder.in_layout(x, layout), weights, window)
    elif group == 1:
        tensor = _convolve(context, _op(x), context.builder.in_layout(x, layout), _filter(context, filters), window)
    else:  # rule 3
        tensor = _grouped(context, x, filters, window, group)
    shape = (
        context.shapes[0] if x.rank == len(context.shapes[0]) else (*context.shapes[0][:2], 1, *context.shapes[0][2:])
    )
    result = add_bias(context, context.result(tensor, layout, shape=shape), context.optional(2))
    return lowered(context, result)


def add_bias(context: NodeContext, value: Value, bias: Value | None) -> Value:
    """Add a bias along the last TensorFlow axis with BiasAdd, if there is a bias."""
    if bias is None:
        return value
    tensor = context.builder.in_layout(bias, identity(1))
    name = context.builder.emit(f"{context.name}/bias", "BiasAdd", (value.tensor, tensor), {"data_format": "NHWC"})
    return Value(value.shape, value.permutation, name, dtype=value.dtype)


def raised(context: NodeContext, x: Value) -> Value:
    """Return [N, C, L] as [N, C, 1, L]; in the tensor's order, [N, 1, L, C], that is a reshape."""
    if x.rank != 3:
        return x
    n, c, length = x.shape
    tensor = context.builder.in_layout(x, channels_last(3))
    if n is None and length is None:
        tensor = context.tf("ExpandDims", tensor, context.builder.scalar(1, INT32))
    else:
        tensor = context.builder.reshape(f"{context.name}/raise", tensor, (n, 1, length, c))
    return Value((n, c, 1, length), channels_last(4), tensor, dtype=x.dtype)


def lowered(context: NodeContext, y: Value) -> Value:
    """Undo `raised` where the output has one spatial axis."""
    shape = context.shapes[0]
    if len(shape) == y.rank:
        return y
    if shape.count(None) > 1:
        tensor = context.tf("Squeeze", y.tensor, squeeze_dims=(1,))
    else:
        tensor = context.builder.reshape(context.name, y.tensor, (shape[0], shape[2], shape[1]))
    return context.result(tensor, channels_last(3))


def with_zeros(filters: Array, dilations: Sequence[int]) -> Array:
    """Return a filter [O, I, *sizes] with zeros between its values, so that it needs no dilation."""
    sizes = [(size - 1) * dilation + 1 for size, dilation in zip(filters.shape[2:], dilations, strict=True)]
    result = np.zeros((*filters.shape[:2], *sizes), filters.dtype)
    places: tuple[Any, ...] = (..., *(slice(None, None, dilation) for dilation in dilations))
    result[places] = filters
    return result


def _op(x: Value) -> str:
    return "Conv2D" if x.rank == 4 else "Conv3D"


def _window(context: NodeContext, x: Value, filters: Value) -> tuple[Window, Value]:
    axes = x.rank - 2
    sizes = [size or 0 for size in filters.shape[2:]]
    strides = list(context.attribute("strides", [1] * axes))
    dilations = list(context.attribute("dilations", [1] * axes))
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    pads = explicit_pads(context, spans, x.shape[2:])
    if max(strides) > 1 and max(dilations) > 1:  # rule 4
        if filters.constant is None:
            context.fail(f"strides {strides} with dilations {dilations} and a filter that is computed")
        filters = constant(with_zeros(filters.constant, dilations), filters.tensor)
        dilations = [1] * axes
    return Window(strides, dilations, pads, scheme(pads, spans, strides, x.shape[2:])), filters


def _raised(context: NodeContext, x: Value, filters: Value, window: Window) -> tuple[Value, Value, Window]:
    if x.rank != 3:
        return x, filters, window
    outputs, inputs, length = filters.shape
    if filters.constant is not None:
        wide = constant(filters.constant[:, :, None], filters.tensor)
    else:
        tensor = context.builder.reshape(
            f"{context.name}/filter", context.builder.in_layout(filters, identity(3)), (outputs, inputs, 1, length)
        )
        wide = Value((outputs, inputs, 1, length), identity(4), tensor)
    pads = [(0, 0), *window.pads]
    return raised(context, x), wide, Window([1, *window.strides], [1, *window.dilations], pads, window.padding)


def _filter(context: NodeContext, filters: Value) -> str:
    order = (*range(2, filters.rank), 1, 0)
    if filters.constant is None:
        return context.builder.in_layout(filters, order)
    return context.builder.constant(filters.tensor or context.node.input[1], filters.constant.transpose(order))


def _depthwise_filter(context: NodeContext, filters: Value, group: int) -> str:
    outputs, _, height, width = filters.shape
    if filters.constant is None:
        tensor = context.builder.in_layout(filters, (2, 3, 0, 1))
        return context.builder.reshape(
            f"{context.name}/filter", tensor, (height, width, group, (outputs or 0) // group)
        )
    weights = filters.constant.reshape(group, -1, height or 0, width or 0).transpose(2, 3, 0, 1)
    return context.builder.constant(filters.tensor or context.node.input[1], weights)


def _grouped(context: NodeContext, x: Value, filters: Value, window: Window, group: int) -> str:
    """Convolve each group's share of the channels on its own."""
    layout = channels_last(x.rank)
    x = Value(x.shape, layout, context.builder.in_layout(x, layout))
    parts = pieces(context, x, 1, [(x.shape[1] or 0) // group] * group)
    count = (filters.shape[0] or 0) // group
    if filters.constant is None:
        filters = Value(
            filters.shape, identity(filters.rank), context.builder.in_layout(filters, identity(filters.rank))
        )
    filter_parts = (
        [constant(part) for part in np.split(filters.constant, group)]
        if filters.constant is not None
        else pieces(context, filters, 0, [count] * group)
    )
    tensors = [
        _convolve(context, _op(x), part.tensor, _filter(context, own), window)
        for part, own in zip(parts, filter_parts, strict=True)
    ]
    return context.tf("ConcatV2", *tensors, context.builder.scalar(x.rank - 1, INT32), N=group, Tidx=INT32)


def _convolve(context: NodeContext, op: str, x: str, filters: str, window: Window) -> str:
    attributes: dict[str, Attribute] = {
        "strides": (1, *window.strides, 1),
        "dilations": (1, *window.dilations, 1),
        "padding": window.padding or "EXPLICIT",
        "data_format": "NHWC",
    }
    if op == "Conv3D":
        attributes["data_format"] = "NDHWC"
        if window.padding is None:
            pads = np.array([(0, 0), *window.pads, (0, 0)], np.int32)
            x = context.tf("PadV2", x, context.builder.constant(f"{context.name}/pads", pads), 0.0, Tpaddings=INT32)
            attributes["padding"] = "VALID"
    elif window.padding is None:
        attributes["explicit_paddings"] = (0, 0, *window.pads[0], *window.pads[1], 0, 0)
    return context.builder.emit(context.name, op, (x, filters), attributes)
