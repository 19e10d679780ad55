"""Types. TF.js has float32, int32 and bool."""

from __future__ import annotations

import numpy as np
import onnx

from fer_export.tfgraph.graph import BOOL, FLOAT, INT32, DType
from fer_export.tfgraph.layout import Value, constant
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator

_KNOWN: dict[int, DType] = {
    onnx.TensorProto.FLOAT: FLOAT,
    onnx.TensorProto.INT32: INT32,
    onnx.TensorProto.INT64: INT32,
    onnx.TensorProto.BOOL: BOOL,
}


@operator("Cast", attributes=("to", "saturate", "round_mode"), restrictions=("float32, int32, int64, bool",))
def to_type(call: Call) -> Value:
    """Truncation towards zero, and True for everything but zero."""
    return _to(call, call.attribute("to", 0))


@operator("CastLike", attributes=("saturate", "round_mode"), since=15, restrictions=("float32, int32, int64, bool",))
def like(call: Call) -> Value:
    """The type of the second input."""
    x, target = call.raw(0), call.raw(1)
    if x.constant is not None:
        return constant(
            x.constant.astype({"DT_FLOAT": np.float32, "DT_BOOL": np.bool_}.get(target.dtype.name, np.int64))
        )
    return _keep(call, x, target.dtype)


def cast(call: Call, tensor: str, dtype: DType) -> str:
    """A tensor in a type; itself where it has it."""
    now = call.builder.dtype(tensor)
    if now == dtype:
        return tensor
    if dtype == BOOL:
        # TF.js's Cast takes the lowest byte of what a float is truncated to.
        return call.tf("NotEqual", tensor, 0, dtype=BOOL)
    made = call.tf("Cast", tensor, dtype=dtype, SrcT=now, DstT=dtype)
    # On WebGPU TF.js casts to float32 by renaming the type. Its element-wise kernels know, and convert what they
    # read; its transpose, which sums and means begin with, does not compile.
    return call.tf("Mul", made, 1.0, dtype=FLOAT) if dtype == FLOAT else made


def _to(call: Call, number: int) -> Value:
    if number not in _KNOWN:
        call.fail(f"the type {onnx.TensorProto.DataType.Name(number).lower()}, which TF.js lacks")
    return _keep(call, call.raw(0), _KNOWN[number])


def _keep(call: Call, x: Value, dtype: DType) -> Value:
    if x.dtype == dtype:
        return x
    x = call.builder.unflatten(x)
    return call.result(cast(call, call.builder.read(x), dtype), x.permutation, shape=x.shape)
