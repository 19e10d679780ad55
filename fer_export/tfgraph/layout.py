"""This module keeps track of the order in which a tensor has the axes of an ONNX value.

ONNX counts axes as the exporter wrote them (N, C, H, W); TensorFlow's kernels for the web want
channels last. A `Value` is an ONNX value together with the TensorFlow tensor that holds it and the
permutation between the two, so that a Transpose in ONNX costs nothing, and one in TensorFlow is
written only where an operator insists on an order that the tensor does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_export.tfgraph.graph import FLOAT, Array, DType, Shape, dtype_of

Permutation = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """Describe an ONNX value and the tensor that holds it.

    Attributes:
        shape: the sizes in ONNX's order, with `None` for a free size.
        permutation: axis i of the TensorFlow tensor is axis permutation[i] of the ONNX value.
        tensor: the name of the TensorFlow tensor. A constant is written only when it is read; for it this
            is the name it will get, or "" where any name will do.
        constant: the array of a constant, in ONNX's order.
        columns: set for a flattened [N, K] tensor whose columns are still in TensorFlow's order: its
            column j is ONNX's column columns[j]. A matrix product reorders its weights to match;
            for any other reader the flatten is written out in ONNX's order.
        flattened: the value that was flattened, where `columns` is set.
        dtype: the type of the TensorFlow tensor.
    """

    shape: Shape
    permutation: Permutation
    tensor: str = ""
    constant: Array | None = None
    columns: Array | None = None
    flattened: Value | None = None
    dtype: DType = FLOAT

    @property
    def rank(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    def axis(self, onnx_axis: int) -> int:
        """Return the index, in the TensorFlow tensor, of an ONNX axis (negative counts from the end)."""
        return self.permutation.index(onnx_axis % self.rank)

    def tf_shape(self) -> Shape:
        """Return the shape of the TensorFlow tensor."""
        return tuple(self.shape[axis] for axis in self.permutation)


def identity(rank: int) -> Permutation:
    """Return the permutation that keeps ONNX's order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Permutation:
    """Return N, spatial axes, C for rank 3 and more, and ONNX's own order below."""
    return (0, *range(2, rank), 1) if rank > 2 else identity(rank)


def constant(array: Array, name: str = "") -> Value:
    """Return a value that is known now; its node is written when it is read."""
    return Value(array.shape, identity(array.ndim), name, array, dtype=dtype_of(array))


def flattened_columns(shape: Sequence[int], permutation: Permutation) -> Array:
    """Return which ONNX column each TensorFlow column holds after [N, *shape] is flattened to [N, K].

    Args:
        shape: the sizes without the batch, in ONNX's order.
        permutation: the permutation of the whole value; its first entry is 0.
    """
    order = np.arange(int(np.prod(shape))).reshape(tuple(shape))
    return order.transpose([axis - 1 for axis in permutation[1:]]).ravel()
