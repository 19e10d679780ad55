"""This module converts transposed convolutions."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32, Attribute
from fer_export.tfgraph.layout import Value, channels_last, constant, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.convolution import add_bias, lowered, raised, with_zeros
from fer_export.tfgraph.operators.joining import pieces
from fer_export.tfgraph.registry import operator


@operator(
    "ConvTranspose",
    attributes=("auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"),
    restrictions=(
        "one to three spatial axes",
        "dilations: a constant filter",
        "known height and width",
        "three axes: one group",
    ),
)
def conv_transpose(context: NodeContext) -> Value:
    """Write TensorFlow's gradient of a convolution by its input, which takes its output's shape as an input.

    1. One spatial axis becomes two, the first of size 1.
    2. A dilated filter gets zeros between its values.
    3. Groups are separate convolutions, as for Conv.
    4. For three spatial axes TF.js has no such operator: zeros go between the pixels, and a
       convolution with the reversed filter follows.
    """
    x, filters = context.value(0), context.value(1)
    if x.rank not in (3, 4, 5):
        context.fail(f"an input of rank {x.rank} is not known (only 3 to 5)")
    axes = x.rank - 2
    group = context.attribute("group", 1)
    strides = list(context.attribute("strides", [1] * axes))
    dilations = list(context.attribute("dilations", [1] * axes))
    if max(dilations) > 1:  # rule 2
        filters = constant(with_zeros(context.constant(1), dilations), filters.tensor)
    kernel = [size or 0 for size in filters.shape[2:]]
    target = context.shapes[0]
    if None in target[2:] or None in x.shape[2:]:
        context.fail(f"the output's size {list(target)} is not known")
    pads = _pads(context, x, kernel, strides)
    if x.rank == 5:  # rule 4
        return _by_zeros(context, x, filters, strides, pads)
    if x.rank == 3:  # rule 1
        strides, pads = [1, *strides], [(0, 0), *pads]
        x, filters = raised(context, x), _wide(context, filters)
        target = (*target[:2], 1, *target[2:])
    layout = channels_last(4)
    shape = [target[axis] or 0 for axis in layout]
    tensor = context.builder.in_layout(x, layout)
    x = Value(x.shape, layout, tensor)
    if group > 1:  # rule 3
        shape[3] //= group
        parts = pieces(context, x, 1, [(x.shape[1] or 0) // group] * group)
        if filters.constant is not None:
            own = [constant(part) for part in np.split(filters.constant, group)]
        else:
            filters = Value(filters.shape, identity(4), context.builder.in_layout(filters, identity(4)))
            own = list(pieces(context, filters, 0, [(filters.shape[0] or 0) // group] * group))
        tensors = [_one(context, part, one, shape, strides, pads) for part, one in zip(parts, own, strict=True)]
        tensor = context.tf("ConcatV2", *tensors, context.builder.scalar(3, INT32), N=group, Tidx=INT32)
    else:
        tensor = _one(context, x, filters, shape, strides, pads)
    result = add_bias(context, context.result(tensor, layout, shape=target), context.optional(2))
    return lowered(context, result)


def _one(
    context: NodeContext, x: Value, filters: Value, shape: list[int], strides: list[int], pads: list[tuple[int, int]]
) -> str:
    weights = context.builder.in_layout(filters, (2, 3, 1, 0))
    if x.shape[0] is None:
        batch = context.tf("GatherV2", context.tf("Shape", x.tensor, dtype=INT32), context.builder.ints("axes", [0]),
                        context.builder.scalar(0, INT32))  # fmt: skip
        rest = context.builder.ints("shape", shape[1:])
        sizes = context.tf("ConcatV2", batch, rest, context.builder.scalar(0, INT32), N=2, Tidx=INT32)
    else:
        sizes = context.builder.ints("shape", shape)
    attributes: dict[str, Attribute] = {"strides": (1, *strides, 1), "data_format": "NHWC", "padding": "EXPLICIT",
                                        "explicit_paddings": (0, 0, *pads[0], *pads[1], 0, 0)}  # fmt: skip
    if all(pad == (0, 0) for pad in pads):
        attributes["padding"] = "VALID"
        del attributes["explicit_paddings"]
    return context.builder.emit(context.name, "Conv2DBackpropInput", (sizes, weights, x.tensor), attributes)


def _by_zeros(context: NodeContext, x: Value, filters: Value, strides: list[int], pads: list[tuple[int, int]]) -> Value:
    if context.attribute("group", 1) != 1:
        context.fail("groups on three axes")
    n, c = x.shape[:2]
    sizes = [size or 0 for size in x.shape[2:]]
    tensor = context.builder.in_layout(x, channels_last(5))
    table = []
    for axis, (stride, (before, _)) in enumerate(zip(strides, pads, strict=True)):
        if stride > 1:
            split = context.builder.reshape(
                f"{context.name}/split", tensor, (n, *sizes[: axis + 1], 1, *sizes[axis + 1 :], c)
            )
            spread = np.zeros((6, 2), np.int32)
            spread[axis + 2, 1] = stride - 1
            name = context.builder.constant(f"{context.name}/pads", spread)
            split = context.tf("PadV2", split, name, 0.0, Tpaddings=INT32)
            sizes[axis] *= stride
            tensor = context.builder.reshape(f"{context.name}/spread", split, (n, *sizes, c))
        # The zeros after the last pixel already count as padding.
        span = (filters.shape[2 + axis] or 0) - 1
        table.append((span - before, (context.shapes[0][2 + axis] or 0) - sizes[axis] + before))
    after = [sizes[axis] + min(pad[1], 0) for axis, pad in enumerate(table)]
    begin, end = context.builder.ints("begin", [0] * 5), context.builder.ints("size", [-1, *after, -1])
    tensor = context.tf("Slice", tensor, begin, end, Index=INT32)
    name = context.builder.constant(
        f"{context.name}/pads", np.array([(0, 0), *[(a, max(b, 0)) for a, b in table], (0, 0)], np.int32)
    )
    tensor = context.tf("PadV2", tensor, name, 0.0, Tpaddings=INT32)
    weights = context.builder.in_layout(filters, (2, 3, 4, 0, 1))
    turned = context.tf("ReverseV2", weights, context.builder.ints("axes", [0, 1, 2]), Tidx=INT32)
    tensor = context.tf("Conv3D", tensor, turned, strides=(1,) * 5, dilations=(1,) * 5, padding="VALID",
                     data_format="NDHWC")  # fmt: skip
    return add_bias(context, context.result(tensor, channels_last(5)), context.optional(2))


def _wide(context: NodeContext, filters: Value) -> Value:
    if filters.constant is not None:
        return constant(filters.constant[:, :, None], filters.tensor)
    shape = (*filters.shape[:2], 1, filters.shape[2])
    tensor = context.builder.reshape(f"{context.name}/filter", context.builder.in_layout(filters, identity(3)), shape)
    return Value(shape, identity(4), tensor)


def _pads(context: NodeContext, x: Value, kernel: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """Return what is cut off the full result; `output_padding` makes the output larger, so the cut smaller.

    A negative cut is a bottom edge that no window reaches; TensorFlow's output shape covers it.
    """
    axes = len(kernel)
    auto = context.attribute("auto_pad", "NOTSET")
    given = context.attribute("pads", [0] * (2 * axes))
    extra = context.attribute("output_padding", [0] * axes)
    result = []
    for axis in range(axes):
        size, target = x.shape[2 + axis] or 0, context.shapes[0][2 + axis] or 0
        full = (size - 1) * strides[axis] + kernel[axis] + extra[axis]
        if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in context.attributes:
            cut = max(full - target, 0)
            small, large = cut // 2, cut - cut // 2
            before = large if auto == "SAME_LOWER" else small
            if auto not in ("SAME_UPPER", "SAME_LOWER"):
                before = large if auto == "NOTSET" else small
            result.append((before, cut - before))
        else:
            result.append((given[axis], given[axes + axis]))
    return result
