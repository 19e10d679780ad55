"""Writes TensorFlow nodes, and brings values into the layout that an operator asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from fer_export.export.graphdef.graph import FLOAT, INT32, Array, Attribute, Graph, Node, Shape, constant_node
from fer_export.export.graphdef.layout import Permutation, Value, identity


class Builder:
    """Grows one graph. Constants and transposes are written once each, when first read."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._names: set[str] = set()
        self._written: dict[tuple[str, Permutation, Shape], str] = {}

    def emit(self, name: str, op: str, inputs: Sequence[str], attributes: Mapping[str, Attribute]) -> str:
        """Add a node under a free name made from `name`; answers that name."""
        name = self.free_name(name)
        self.graph.nodes.append(Node(name, op, tuple(inputs), dict(attributes)))
        return name

    def free_name(self, wanted: str) -> str:
        """A name that TensorFlow takes (node_def.proto) and that nobody has yet."""
        clean = re.sub(r"[^A-Za-z0-9_./-]", "_", wanted)
        clean = clean if re.match(r"[A-Za-z0-9.]", clean) else f"n{clean}"
        name, count = clean, 1
        while name in self._names:
            name, count = f"{clean}_{count}", count + 1
        self._names.add(name)
        return name

    def constant(self, name: str, array: Array) -> str:
        """A new constant."""
        array = np.ascontiguousarray(array) if array.ndim else array
        name = self.free_name(name)
        self.graph.nodes.append(constant_node(name, array))
        self.graph.constants[name] = array
        return name

    def ints(self, name: str, values: Sequence[int]) -> str:
        """A constant list of int32, for axes and shapes; the same list is written once."""
        key = ("ints", tuple(values), ())
        if key not in self._written:
            self._written[key] = self.constant(name, np.array(values, np.int32))
        return self._written[key]

    def read(self, value: Value, permutation: Permutation | None = None, rank: int | None = None) -> str:
        """The tensor that holds a value in a layout.

        Args:
            value: what to read.
            permutation: the order wanted, of `rank` axes; the order it has where None.
            rank: put axes of size 1 before the value's own, as broadcasting does.
        """
        rank = value.rank if rank is None else rank
        if value.columns is not None and (permutation is not None or rank != 2):
            value = self.unflatten(value)
        value = self._raise_rank(value, rank)
        permutation = value.permutation if permutation is None else permutation
        if value.constant is not None:
            return self._read_constant(value, permutation)
        if permutation == value.permutation:
            return value.tensor
        key = (value.tensor, permutation, value.shape)
        if key not in self._written:
            if same_order(value, permutation):
                shape = [value.shape[axis] for axis in permutation]
                self._written[key] = self.reshape(f"{value.tensor}/reshape", value.tensor, shape)
            else:
                order = [value.permutation.index(axis) for axis in permutation]
                self._written[key] = self.emit(
                    f"{value.tensor}/transpose",
                    "Transpose",
                    (value.tensor, self.ints("order", order)),
                    {"T": FLOAT, "Tperm": INT32},
                )
        return self._written[key]

    def reshape(self, name: str, tensor: str, shape: Sequence[int | None]) -> str:
        """A Reshape node; one size at most may be free."""
        sizes = [-1 if size is None else size for size in shape]
        return self.emit(name, "Reshape", (tensor, self.ints("shape", sizes)), {"T": FLOAT, "Tshape": INT32})

    def unflatten(self, value: Value) -> Value:
        """A flattened value with its columns in ONNX's order, written out."""
        source = value.flattened
        assert source is not None
        tensor = self.read(source, identity(source.rank))
        key = (tensor, (0, 1), value.shape)
        if key not in self._written:
            self._written[key] = self.reshape(f"{tensor}/flatten", tensor, value.shape)
        return Value(value.shape, (0, 1), self._written[key])

    def _raise_rank(self, value: Value, rank: int) -> Value:
        missing = rank - value.rank
        if not missing:
            return value
        shape: Shape = (1,) * missing + value.shape
        if value.constant is not None:
            array = value.constant.reshape((1,) * missing + value.constant.shape)
            return Value(shape, identity(rank), value.tensor, array)
        permutation = (*range(missing), *(axis + missing for axis in value.permutation))
        raised = Value(shape, permutation)
        key = (value.tensor, permutation, shape)
        if key not in self._written:
            self._written[key] = self.reshape(f"{value.tensor}/rank", value.tensor, raised.tf_shape())
        return Value(shape, permutation, self._written[key])

    def _read_constant(self, value: Value, permutation: Permutation) -> str:
        assert value.constant is not None
        array = _as_float_or_int32(value.constant.transpose(permutation))
        if not value.tensor:
            return self.constant("constant", array)
        key = (f"constant {value.tensor}", permutation, value.shape)
        if key not in self._written:
            self._written[key] = self.constant(value.tensor, array)
        return self._written[key]


def same_order(value: Value, permutation: Permutation) -> bool:
    """Whether going to another permutation moves only axes of size 1, so that a Reshape does it."""
    free = [axis for axis in range(value.rank) if value.shape[axis] is None]
    now = [axis for axis in value.permutation if value.shape[axis] != 1]
    then = [axis for axis in permutation if value.shape[axis] != 1]
    return now == then and len(free) <= 1


def _as_float_or_int32(array: Array) -> Array:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    return array.astype(np.int32) if array.dtype == np.int64 else array
