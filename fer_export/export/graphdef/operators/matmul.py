"""Matrix products."""

from __future__ import annotations

import numpy as np

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import Array
from fer_export.export.graphdef.layout import Value
from fer_export.export.graphdef.operators.convolution import add_bias
from fer_export.export.graphdef.registry import operator


@operator("Gemm", attributes=("alpha", "beta", "transA", "transB"))
def gemm(call: Call) -> Value:
    """alpha · A · B + beta · C with constant B and C; the factors go into the constants."""
    if call.attribute("transA", 0):
        call.fail("transA 1 is not known")
    weights = call.constant(1) * np.float32(call.attribute("alpha", 1.0))
    if call.attribute("transB", 0):
        weights = weights.T
    product = _product(call, weights)
    if call.optional(2) is None:
        return product
    bias = call.constant(2) * np.float32(call.attribute("beta", 1.0))
    if bias.size != weights.shape[1]:
        call.fail(f"C of shape {list(bias.shape)} is not known (only one value for each column)")
    return add_bias(call, product, Value((bias.size,), (0,), call.node.input[2], bias.reshape(-1)))


@operator("MatMul")
def matmul(call: Call) -> Value:
    """[N, K] times a constant [K, M]."""
    weights = call.constant(1)
    if call.value(0).rank != 2 or weights.ndim != 2:
        call.fail(f"only rank 2 by rank 2 is known, not {call.value(0).rank} by {weights.ndim}")
    return _product(call, weights)


def _product(call: Call, weights: Array) -> Value:
    x = call.value(0)
    if x.columns is not None:
        # The flatten left TensorFlow's order in the columns: put the rows in that order instead.
        weights = weights[x.columns]
        tensor = call.builder.read(x)
    else:
        tensor = call.builder.read(x, (0, 1))
    name = call.builder.constant(call.node.input[1], weights)
    return call.emit("MatMul", (tensor, name), (0, 1), transpose_a=False, transpose_b=False)
