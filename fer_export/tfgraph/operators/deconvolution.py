"""Transposed convolutions."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32, Attribute
from fer_export.tfgraph.layout import Value, channels_last, constant, identity
from fer_export.tfgraph.node_context import Call
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
def conv_transpose(call: Call) -> Value:
    """TensorFlow's gradient of a convolution by its input, which wants to be told its output's shape.

    1. One spatial axis is two, the first of size 1.
    2. A dilated filter gets zeros between its values.
    3. Groups are convolutions of their own, as for Conv.
    4. Three spatial axes, for which TF.js has no such operator: zeros between the pixels, and a
       convolution with the filter turned around.
    """
    x, filters = call.value(0), call.value(1)
    if x.rank not in (3, 4, 5):
        call.fail(f"an input of rank {x.rank} is not known (only 3 to 5)")
    axes = x.rank - 2
    group = call.attribute("group", 1)
    strides = list(call.attribute("strides", [1] * axes))
    dilations = list(call.attribute("dilations", [1] * axes))
    if max(dilations) > 1:  # rule 2
        filters = constant(with_zeros(call.constant(1), dilations), filters.tensor)
    kernel = [size or 0 for size in filters.shape[2:]]
    target = call.shapes[0]
    if None in target[2:] or None in x.shape[2:]:
        call.fail(f"the output's size {list(target)} is not known")
    pads = _pads(call, x, kernel, strides)
    if x.rank == 5:  # rule 4
        return _by_zeros(call, x, filters, strides, pads)
    if x.rank == 3:  # rule 1
        strides, pads = [1, *strides], [(0, 0), *pads]
        x, filters = raised(call, x), _wide(call, filters)
        target = (*target[:2], 1, *target[2:])
    layout = channels_last(4)
    shape = [target[axis] or 0 for axis in layout]
    tensor = call.builder.read(x, layout)
    x = Value(x.shape, layout, tensor)
    if group > 1:  # rule 3
        shape[3] //= group
        parts = pieces(call, x, 1, [(x.shape[1] or 0) // group] * group)
        if filters.constant is not None:
            own = [constant(part) for part in np.split(filters.constant, group)]
        else:
            filters = Value(filters.shape, identity(4), call.builder.read(filters, identity(4)))
            own = list(pieces(call, filters, 0, [(filters.shape[0] or 0) // group] * group))
        tensors = [_one(call, part, one, shape, strides, pads) for part, one in zip(parts, own, strict=True)]
        tensor = call.tf("ConcatV2", *tensors, call.builder.scalar(3, INT32), N=group, Tidx=INT32)
    else:
        tensor = _one(call, x, filters, shape, strides, pads)
    result = add_bias(call, call.result(tensor, layout, shape=target), call.optional(2))
    return lowered(call, result)


def _one(
    call: Call, x: Value, filters: Value, shape: list[int], strides: list[int], pads: list[tuple[int, int]]
) -> str:
    weights = call.builder.read(filters, (2, 3, 1, 0))
    if x.shape[0] is None:
        batch = call.tf("GatherV2", call.tf("Shape", x.tensor, dtype=INT32), call.builder.ints("axes", [0]),
                        call.builder.scalar(0, INT32))  # fmt: skip
        rest = call.builder.ints("shape", shape[1:])
        sizes = call.tf("ConcatV2", batch, rest, call.builder.scalar(0, INT32), N=2, Tidx=INT32)
    else:
        sizes = call.builder.ints("shape", shape)
    attributes: dict[str, Attribute] = {"strides": (1, *strides, 1), "data_format": "NHWC", "padding": "EXPLICIT",
                                        "explicit_paddings": (0, 0, *pads[0], *pads[1], 0, 0)}  # fmt: skip
    if all(pad == (0, 0) for pad in pads):
        attributes["padding"] = "VALID"
        del attributes["explicit_paddings"]
    return call.builder.emit(call.name, "Conv2DBackpropInput", (sizes, weights, x.tensor), attributes)


def _by_zeros(call: Call, x: Value, filters: Value, strides: list[int], pads: list[tuple[int, int]]) -> Value:
    if call.attribute("group", 1) != 1:
        call.fail("groups on three axes")
    n, c = x.shape[:2]
    sizes = [size or 0 for size in x.shape[2:]]
    tensor = call.builder.read(x, channels_last(5))
    table = []
    for axis, (stride, (before, _)) in enumerate(zip(strides, pads, strict=True)):
        if stride > 1:
            split = call.builder.reshape(
                f"{call.name}/split", tensor, (n, *sizes[: axis + 1], 1, *sizes[axis + 1 :], c)
            )
            spread = np.zeros((6, 2), np.int32)
            spread[axis + 2, 1] = stride - 1
            name = call.builder.constant(f"{call.name}/pads", spread)
            split = call.tf("PadV2", split, name, 0.0, Tpaddings=INT32)
            sizes[axis] *= stride
            tensor = call.builder.reshape(f"{call.name}/spread", split, (n, *sizes, c))
        # The zeros after the last pixel are padding already.
        span = (filters.shape[2 + axis] or 0) - 1
        table.append((span - before, (call.shapes[0][2 + axis] or 0) - sizes[axis] + before))
    after = [sizes[axis] + min(pad[1], 0) for axis, pad in enumerate(table)]
    begin, end = call.builder.ints("begin", [0] * 5), call.builder.ints("size", [-1, *after, -1])
    tensor = call.tf("Slice", tensor, begin, end, Index=INT32)
    name = call.builder.constant(
        f"{call.name}/pads", np.array([(0, 0), *[(a, max(b, 0)) for a, b in table], (0, 0)], np.int32)
    )
    tensor = call.tf("PadV2", tensor, name, 0.0, Tpaddings=INT32)
    weights = call.builder.read(filters, (2, 3, 4, 0, 1))
    turned = call.tf("ReverseV2", weights, call.builder.ints("axes", [0, 1, 2]), Tidx=INT32)
    tensor = call.tf("Conv3D", tensor, turned, strides=(1,) * 5, dilations=(1,) * 5, padding="VALID",
                     data_format="NDHWC")  # fmt: skip
    return add_bias(call, call.result(tensor, channels_last(5)), call.optional(2))


def _wide(call: Call, filters: Value) -> Value:
    if filters.constant is not None:
        return constant(filters.constant[:, :, None], filters.tensor)
    shape = (*filters.shape[:2], 1, filters.shape[2])
    tensor = call.builder.reshape(f"{call.name}/filter", call.builder.read(filters, identity(3)), shape)
    return Value(shape, identity(4), tensor)


def _pads(call: Call, x: Value, kernel: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """What is cut off the full result; `output_padding` makes the output larger, so the cut smaller.

    A cut below zero is a bottom edge that no window reaches: TensorFlow's shape says so by itself.
    """
    axes = len(kernel)
    auto = call.attribute("auto_pad", "NOTSET")
    given = call.attribute("pads", [0] * (2 * axes))
    extra = call.attribute("output_padding", [0] * axes)
    result = []
    for axis in range(axes):
        size, target = x.shape[2 + axis] or 0, call.shapes[0][2 + axis] or 0
        full = (size - 1) * strides[axis] + kernel[axis] + extra[axis]
        if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in call.attributes:
            cut = max(full - target, 0)
            small, large = cut // 2, cut - cut // 2
            before = large if auto == "SAME_LOWER" else small
            if auto not in ("SAME_UPPER", "SAME_LOWER"):
                before = large if auto == "NOTSET" else small
            result.append((before, cut - before))
        else:
            result.append((given[axis], given[axes + axis]))
    return result
