"""Which axis is where.

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
    """An ONNX value.

    Attributes:
        shape: in ONNX's order; `None` for a free size.
        permutation: axis i of the TensorFlow tensor is axis permutation[i] of the ONNX value.
        tensor: the TensorFlow tensor. Of a constant, which is written when somebody reads it, the
            name to give it, or "".
        constant: the array, in ONNX's order.
        columns: of a flattened [N, K] tensor whose columns are still in TensorFlow's order: its
            column j is ONNX's column columns[j]. A matrix product puts its rows in that order;
            for anybody else the flatten is undone and written out.
        flattened: the value that `columns` came from.
        dtype: of the TensorFlow tensor.
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
        """Number of axes."""
        return len(self.shape)

    def axis(self, onnx_axis: int) -> int:
        """Where an ONNX axis (negative from the end) lies in the TensorFlow tensor."""
        return self.permutation.index(onnx_axis % self.rank)

    def tf_shape(self) -> Shape:
        """The shape of the TensorFlow tensor."""
        return tuple(self.shape[axis] for axis in self.permutation)


def identity(rank: int) -> Permutation:
    """ONNX's own order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Permutation:
    """N, spatial axes, C for rank 3 and more; ONNX's own order below."""
    return (0, *range(2, rank), 1) if rank > 2 else identity(rank)


def constant(array: Array, name: str = "") -> Value:
    """A value that is known now; it is written when somebody reads it."""
    return Value(array.shape, identity(array.ndim), name, array, dtype=dtype_of(array))


def same_order_in_memory(shape: Shape, permutation: Permutation) -> bool:
    """Whether a tensor in this permutation holds its values in ONNX's order: only axes of size 1 moved."""
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)


def flattened_columns(shape: Sequence[int], permutation: Permutation) -> Array:
    """Which ONNX column each TensorFlow column holds after [N, *shape] is flattened to [N, K].

    Args:
        shape: without the batch, in ONNX's order.
        permutation: of the whole value; its first entry is 0.
    """
    order = np.arange(int(np.prod(shape))).reshape(tuple(shape))
    return order.transpose([axis - 1 for axis in permutation[1:]]).ravel()
