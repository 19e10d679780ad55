"""Operators that move values without changing them."""

from __future__ import annotations

import numpy as np

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import INT32, Shape
from fer_export.export.graphdef.layout import Value, flattened_columns, identity, same_order_in_memory
from fer_export.export.graphdef.registry import operator


@operator("Transpose", attributes=("perm",))
def transpose(call: Call) -> Value:
    """Costs nothing: the same tensor, with another account of its axes."""
    x = call.value(0)
    order = list(call.attribute("perm", range(x.rank)[::-1]))
    if x.columns is not None:
        x = call.builder.unflatten(x)
    if x.constant is not None:
        return Value(call.shapes[0], identity(x.rank), "", x.constant.transpose(order))
    return Value(call.shapes[0], tuple(order.index(axis) for axis in x.permutation), x.tensor)


@operator("Flatten", attributes=("axis",))
def flatten(call: Call) -> Value:
    """To two axes."""
    return _reshape(call, call.shapes[0])


@operator("Reshape", attributes=("allowzero",))
def reshape(call: Call) -> Value:
    """To a constant shape in which one size at most is free."""
    call.constant(1)
    return _reshape(call, call.shapes[0])


@operator("Squeeze", "Unsqueeze", attributes=("axes",))
def squeeze(call: Call) -> Value:
    """Axes of size 1 go or come."""
    return _reshape(call, call.shapes[0])


@operator("Concat", attributes=("axis",))
def concat(call: Call) -> Value:
    """Along one axis, in the layout of the first input that is not a constant."""
    values = [call.value(index) for index in range(len(call.inputs))]
    leader = next((value for value in values if value.constant is None and value.columns is None), None)
    layout = identity(values[0].rank) if leader is None else leader.permutation
    tensors = [call.builder.read(value, layout) for value in values]
    axis = layout.index(call.attribute("axis", 0) % len(layout))
    name = call.builder.constant(f"{call.name}/axis", np.array(axis, np.int32))
    return call.emit("ConcatV2", (*tensors, name), layout, N=len(tensors), Tidx=INT32)


def _reshape(call: Call, shape: Shape) -> Value:
    """1. A value whose order in memory is ONNX's is reshaped. 2. A flatten to [N, K] of one that is
    not keeps TensorFlow's order and says so in `columns`. 3. Anything else is brought into ONNX's
    order first.
    """
    x = call.value(0)
    if x.columns is not None:
        x = call.builder.unflatten(x)
    if x.constant is not None:
        return Value(shape, identity(len(shape)), "", x.constant.reshape([-1 if s is None else s for s in shape]))
    if shape == x.shape:
        return x
    if sum(size is None for size in shape) > 1:
        call.fail(f"a target shape with more than one free size: {list(shape)}")
    if same_order_in_memory(x.shape, x.permutation):  # rule 1
        tensor = call.builder.reshape(call.name, x.tensor, shape)
        return Value(shape, identity(len(shape)), tensor)
    inner = [size for size in x.shape[1:] if size is not None]
    if len(shape) == 2 and shape[0] == x.shape[0] and x.permutation[0] == 0 and len(inner) == x.rank - 1:  # rule 2
        tensor = call.builder.reshape(call.name, x.tensor, shape)
        columns = flattened_columns(inner, x.permutation)
        return Value(shape, (0, 1), tensor, columns=columns, flattened=x)
    tensor = call.builder.reshape(call.name, call.builder.read(x, identity(x.rank)), shape)  # rule 3
    return Value(shape, identity(len(shape)), tensor)
