"""This module converts operators that create values from nothing or from sizes."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.cast import cast
from fer_export.tfgraph.registry import operator


@operator(
    "Constant",
    attributes=(
        "value", "value_float", "value_floats", "value_int", "value_ints",
        "sparse_value", "value_string", "value_strings",
    ),
    restrictions=("no sparse values, no strings",),
)  # fmt: skip
def known(context: NodeContext) -> Value:
    """Refuse a constant; those of numbers are computed before the walk, so only the other kinds arrive here."""
    context.fail("only values of numbers are known")


@operator("ConstantOfShape", attributes=("value",), since=9)
def filled(context: NodeContext) -> Value:
    """Fill a shape that is computed in the graph."""
    value = (
        numpy_helper.to_array(context.attributes["value"]) if "value" in context.attributes else np.zeros(1, np.float32)
    )
    number = context.builder.constant(f"{context.name}/value", value.reshape(()))
    return context.emit("Fill", (context.builder.in_layout(context.value(0)), number), identity(len(context.shapes[0])),
                     dtype=context.builder.dtype(number))  # fmt: skip


@operator("Range", since=11)
def ranged(context: NodeContext) -> Value:
    """Count from start to limit in steps."""
    tensors = [context.builder.in_layout(context.value(index)) for index in range(3)]
    dtype = context.builder.dtype(tensors[0])
    return context.emit("Range", tensors, (0,), dtype=dtype, Tidx=dtype)


@operator("EyeLike", attributes=("dtype", "k"), since=9, restrictions=("known sizes",))
def eye_like(context: NodeContext) -> Value:
    """Return ones on a diagonal, and zeros elsewhere."""
    rows, columns = context.shapes[0]
    if rows is None or columns is None:
        context.fail("a free size")
    kind = helper.tensor_dtype_to_np_dtype(context.attribute("dtype", 0)) if "dtype" in context.attributes else None
    default = {"DT_INT32": np.int32, "DT_BOOL": np.bool_}.get(context.value(0).dtype.name, np.float32)
    return constant(np.eye(rows, columns, context.attribute("k", 0), kind or default))


@operator("Trilu", attributes=("upper",), since=14, restrictions=("constant k", "the last two sizes known"))
def triangle(context: NodeContext) -> Value:
    """Keep what lies on one side of a diagonal, by a constant mask, and return zeros elsewhere."""
    x = context.value(0)
    rows, columns = x.shape[-2:]
    if rows is None or columns is None:
        context.fail("a free size")
    k = int(context.constant(1, np.array(0)).reshape(()))
    upper = bool(context.attribute("upper", 1))
    mask = (np.triu if upper else np.tril)(np.ones((rows, columns), bool), k)
    # SelectV2 rather than a product, since masked values may be infinite.
    keep = context.builder.in_layout(constant(mask), identity(2))
    zero = context.builder.scalar(0, x.dtype)
    tensor = context.builder.in_layout(x, identity(x.rank))
    return context.result(context.tf("SelectV2", keep, tensor, zero, dtype=x.dtype))


@operator("NonZero", since=9, restrictions=("its result has a size that only the run knows",))
def non_zero(context: NodeContext) -> Value:
    """List the indices of values that are not zero; TensorFlow's tuples are ONNX's rows transposed."""
    x = context.value(0)
    found = context.tf("Where", cast(context, context.builder.in_layout(x, identity(x.rank)), BOOL), dtype=INT32)
    return context.result(found, (1, 0))
