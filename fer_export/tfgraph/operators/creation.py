"""Values made of nothing, or of sizes alone."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from fer_export.tfgraph.graph import BOOL, INT32
from fer_export.tfgraph.layout import Value, constant, identity
from fer_export.tfgraph.node_context import Call
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
def known(call: Call) -> Value:
    """Computed before the walk; what comes here is a kind that cannot be."""
    call.fail("only values of numbers are known")


@operator("ConstantOfShape", attributes=("value",), since=9)
def filled(call: Call) -> Value:
    """A shape that is computed in the graph."""
    value = numpy_helper.to_array(call.attributes["value"]) if "value" in call.attributes else np.zeros(1, np.float32)
    number = call.builder.constant(f"{call.name}/value", value.reshape(()))
    return call.emit("Fill", (call.builder.read(call.value(0)), number), identity(len(call.shapes[0])),
                     dtype=call.builder.dtype(number))  # fmt: skip


@operator("Range", since=11)
def ranged(call: Call) -> Value:
    """From start to limit in steps."""
    tensors = [call.builder.read(call.value(index)) for index in range(3)]
    dtype = call.builder.dtype(tensors[0])
    return call.emit("Range", tensors, (0,), dtype=dtype, Tidx=dtype)


@operator("EyeLike", attributes=("dtype", "k"), since=9, restrictions=("known sizes",))
def eye_like(call: Call) -> Value:
    """Ones on a diagonal."""
    rows, columns = call.shapes[0]
    if rows is None or columns is None:
        call.fail("a free size")
    kind = helper.tensor_dtype_to_np_dtype(call.attribute("dtype", 0)) if "dtype" in call.attributes else None
    default = {"DT_INT32": np.int32, "DT_BOOL": np.bool_}.get(call.value(0).dtype.name, np.float32)
    return constant(np.eye(rows, columns, call.attribute("k", 0), kind or default))


@operator("Trilu", attributes=("upper",), since=14, restrictions=("constant k", "the last two sizes known"))
def triangle(call: Call) -> Value:
    """What lies on one side of a diagonal, zeros elsewhere: a product with a constant mask."""
    x = call.value(0)
    rows, columns = x.shape[-2:]
    if rows is None or columns is None:
        call.fail("a free size")
    k = int(call.constant(1, np.array(0)).reshape(()))
    upper = bool(call.attribute("upper", 1))
    mask = (np.triu if upper else np.tril)(np.ones((rows, columns), bool), k)
    # A choice, not a product: what is masked may be infinite.
    keep = call.builder.read(constant(mask), identity(2))
    zero = call.builder.scalar(0, x.dtype)
    tensor = call.builder.read(x, identity(x.rank))
    return call.result(call.tf("SelectV2", keep, tensor, zero, dtype=x.dtype))


@operator("NonZero", since=9, restrictions=("its result has a size that only the run knows",))
def non_zero(call: Call) -> Value:
    """TensorFlow lists tuples, ONNX one row for each axis: a matter of layout."""
    x = call.value(0)
    found = call.tf("Where", cast(call, call.builder.read(x, identity(x.rank)), BOOL), dtype=INT32)
    return call.result(found, (1, 0))
