"""This module converts between types; TF.js has float32, int32 and bool."""

from __future__ import annotations

import numpy as np
import onnx

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32, DType
from fer_export.tfgraph.layout import Value, constant
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator

_KNOWN: dict[int, DType] = {
    onnx.TensorProto.FLOAT: FLOAT,
    onnx.TensorProto.INT32: INT32,
    onnx.TensorProto.INT64: INT32,
    onnx.TensorProto.BOOL: BOOL,
}


@operator("Cast", attributes=("to", "saturate", "round_mode"), restrictions=("float32, int32, int64, bool",))
def to_type(context: NodeContext) -> Value:
    """Convert to a type: to integers by truncation towards zero, to booleans as "is not zero"."""
    return _to(context, context.attribute("to", 0))


@operator("CastLike", attributes=("saturate", "round_mode"), since=15, restrictions=("float32, int32, int64, bool",))
def like(context: NodeContext) -> Value:
    """Convert to the type of the second input."""
    x, target = context.raw(0), context.raw(1)
    if x.constant is not None:
        return constant(
            x.constant.astype({"DT_FLOAT": np.float32, "DT_BOOL": np.bool_}.get(target.dtype.name, np.int64))
        )
    return _keep(context, x, target.dtype)


def cast(context: NodeContext, tensor: str, dtype: DType) -> str:
    """Return a tensor converted to a type, or the tensor itself where it has that type already."""
    now = context.builder.dtype(tensor)
    if now == dtype:
        return tensor
    if dtype == BOOL:
        # TF.js's Cast to bool truncates a float and takes the lowest byte of the result.
        return context.tf("NotEqual", tensor, 0, dtype=BOOL)
    made = context.tf("Cast", tensor, dtype=dtype, SrcT=now, DstT=dtype)
    # On WebGPU TF.js casts to float32 by renaming the type only. Its element-wise kernels convert what they read, but
    # its transpose kernel, which sums and means begin with, does not compile.
    return context.tf("Mul", made, 1.0, dtype=FLOAT) if dtype == FLOAT else made


def _to(context: NodeContext, number: int) -> Value:
    if number not in _KNOWN:
        context.fail(f"the type {onnx.TensorProto.DataType.Name(number).lower()}, which TF.js lacks")
    return _keep(context, context.raw(0), _KNOWN[number])


def _keep(context: NodeContext, x: Value, dtype: DType) -> Value:
    if x.dtype == dtype:
        return x
    x = context.builder.unflatten(x)
    return context.result(cast(context, context.builder.in_layout(x), dtype), x.permutation, shape=x.shape)
