"""This module writes TensorFlow nodes and brings values into the layout that an operator needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fer_export.errors import InvalidInputError
from fer_export.tfgraph.graph import FLOAT, INT32, Array, Attribute, DType, Graph, Node, Shape, constant_node
from fer_export.tfgraph.layout import Permutation, Value, identity

#: Operators whose type is not that of their first input, and the index of the input that decides it.
_TYPED_BY = {"Split": 1, "Conv2DBackpropInput": 2, "SelectV2": 1, "Fill": 1, "OneHot": 2}
_UNTYPED = ("Placeholder", "Const", "Cast", "Range")


class Builder:
    """Add nodes to one graph; a constant or transpose that several nodes read is written once.

    Args:
        reserved: the names of the graph's outputs. They are set aside, so that no other node takes them.
    """

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self.graph = Graph()
        self._names: set[str] = set()
        self._reserved = {name: self.free_name(name) for name in reserved}
        self._written: dict[tuple[object, ...], str] = {}
        self._constants: dict[tuple[str, Shape], list[str]] = {}
        self._dtypes: dict[str, DType] = {}

    def emit(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Attribute] | None = None,
        *,
        dtype: DType | None = None,
        reserved: bool = False,
    ) -> str:
        """Add a node under a free name made from `name`, and return that name.

        Args:
            dtype: the type of the node's outputs; None takes the type of its input.
            reserved: `name` comes from the method `reserved` and is used as it is.
        """
        name = name if reserved else self.free_name(name)
        attributes = dict(attributes or {})
        source = self.dtype(inputs[_TYPED_BY.get(op, 0)]) if inputs else FLOAT
        if op not in _UNTYPED:
            attributes.setdefault("T", source)
        self._dtypes[name] = source if dtype is None else dtype
        self.graph.nodes.append(Node(name, op, tuple(inputs), attributes))
        return name

    def dtype(self, tensor: str) -> DType:
        """Return the type of a tensor; all outputs of a node have the same one."""
        return self._dtypes[tensor.partition(":")[0]]

    def free_name(self, wanted: str) -> str:
        """Return a name that TensorFlow accepts (node_def.proto) and that no node has yet."""
        clean = re.sub(r"[^A-Za-z0-9_./-]", "_", wanted)
        clean = clean if re.match(r"[A-Za-z0-9.]", clean) else f"n{clean}"
        name, count = clean, 1
        while name in self._names:
            name, count = f"{clean}_{count}", count + 1
        self._names.add(name)
        return name

    def reserved(self, name: str) -> str:
        """Return the node name that was set aside for an output."""
        return self._reserved[name]

    def constant(self, name: str, array: Array) -> str:
        """Write a new constant, in a type that TF.js has, and return its name.

        Raises:
            InvalidInputError: an integer does not fit into 32 bits.
        """
        array = _stored(name, array)
        name = self.free_name(name)
        node = constant_node(name, array)
        self.graph.nodes.append(node)
        self.graph.constants[name] = array
        dtype = node.attributes["dtype"]
        assert isinstance(dtype, DType)
        self._dtypes[name] = dtype
        return name

    def ints(self, name: str, values: Sequence[int]) -> str:
        """Return a constant list of int32, for axes and shapes; the same list is written once."""
        return self._once(("ints", tuple(values)), name, np.array(values, np.int32).reshape(-1))

    def scalar(self, value: float, dtype: DType = FLOAT) -> str:
        """Return a constant of rank 0; the same number is written once."""
        kind = {"DT_INT32": np.int32, "DT_BOOL": np.bool_}.get(dtype.name, np.float32)
        return self._once(("scalar", repr(value), dtype), "scalar", np.array(value, kind))

    def in_layout(self, value: Value, permutation: Permutation | None = None, rank: int | None = None) -> str:
        """Return the tensor that holds a value in a layout.

        Args:
            value: the value to read.
            permutation: the order of the `rank` axes; None keeps the order that the value has.
            rank: the rank to broadcast to. Axes of size 1 are added in front of the value's own; they are
                written only where the order of the other axes requires it.
        """
        rank = value.rank if rank is None else rank
        if value.columns is not None and (permutation is not None or rank != 2):
            value = self.unflatten(value)
        missing = rank - value.rank
        permutation = value.permutation if permutation is None else permutation
        own = tuple(axis - missing for axis in permutation if axis >= missing)
        in_front = permutation[:missing] == identity(missing)
        if value.constant is not None:
            array = value.constant
            if missing and not in_front:
                array = array.reshape((1,) * missing + array.shape)
                own = permutation
            return self._read_constant(replace(value, constant=array), own)
        if permutation[missing:] == tuple(axis + missing for axis in value.permutation) and in_front:
            return value.tensor
        raised = value
        if missing:
            raised = replace(
                value,
                shape=(1,) * missing + value.shape,
                permutation=(*range(missing), *(axis + missing for axis in value.permutation)),
            )
        # Several values may be views of one tensor, with equal shapes in different orders of its axes.
        key = ("read", value.tensor, raised.permutation, permutation, raised.shape)
        if key not in self._written:
            self._written[key] = self._moved(raised, permutation, value.tf_shape())
        return self._written[key]

    def reshape(self, name: str, tensor: str, shape: Sequence[int | None]) -> str:
        """Write a Reshape node and return its name; at most one size may be free."""
        sizes = [-1 if size is None else size for size in shape]
        return self.emit(name, "Reshape", (tensor, self.ints("shape", sizes)), {"Tshape": INT32})

    def unflatten(self, value: Value) -> Value:
        """Return a flattened value with its columns in ONNX's order, and any other value as it is."""
        source = value.flattened
        if value.columns is None or source is None:
            return value
        tensor = self.in_layout(source, identity(source.rank))
        key = ("flatten", tensor, value.shape)
        if key not in self._written:
            self._written[key] = self.reshape(f"{tensor}/flatten", tensor, value.shape)
        return Value(value.shape, (0, 1), self._written[key], dtype=value.dtype)

    def _moved(self, value: Value, permutation: Permutation, now: Shape) -> str:
        """Write a Reshape where only axes of size 1 move or there are no values, else a Transpose."""
        if same_order(value, permutation) or 0 in value.shape:
            shape = [value.shape[axis] for axis in permutation]
            return self.reshape(f"{value.tensor}/reshape", value.tensor, shape)
        tensor = value.tensor
        if value.tf_shape() != now:
            tensor = self.reshape(f"{tensor}/rank", tensor, value.tf_shape())
        order = self.ints("order", [value.permutation.index(axis) for axis in permutation])
        return self.emit(f"{value.tensor}/transpose", "Transpose", (tensor, order), {"Tperm": INT32})

    def _read_constant(self, value: Value, permutation: Permutation) -> str:
        assert value.constant is not None
        array = value.constant.transpose(permutation)
        if not value.tensor:
            return self.constant("constant", array)
        # Of one name there may be several views with equal shapes: what counts is what they hold.
        written = self._constants.setdefault((value.tensor, array.shape), [])
        stored = _stored(value.tensor, array)
        for name in written:
            if _equal(self.graph.constants[name], stored):
                return name
        written.append(self.constant(value.tensor, stored))
        return written[-1]

    def _once(self, key: tuple[object, ...], name: str, array: Array) -> str:
        if key not in self._written:
            self._written[key] = self.constant(name, array)
        return self._written[key]


def same_order(value: Value, permutation: Permutation) -> bool:
    """Return whether the change of permutation moves only axes of size 1, so that a Reshape does it."""
    free = [axis for axis in range(value.rank) if value.shape[axis] is None]
    now = [axis for axis in value.permutation if value.shape[axis] != 1]
    then = [axis for axis in permutation if value.shape[axis] != 1]
    return now == then and len(free) <= 1


def _equal(one: Array, other: Array) -> bool:
    """Return whether two arrays of one shape have the same type and bytes."""
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _stored(name: str, array: Array) -> Array:
    array = np.ascontiguousarray(array) if array.ndim else array
    if array.dtype == np.int64:
        if array.size and (array.max() > 2**31 - 1 or array.min() < -(2**31)):
            raise InvalidInputError(f"constant {name} holds integers beyond 32 bits, which TF.js lacks")
        return array.astype(np.int32)
    return array.astype(np.float32) if array.dtype == np.float64 else array
