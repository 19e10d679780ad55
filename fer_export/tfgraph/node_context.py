"""This module shows one ONNX node to the function that converts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import onnx

from fer_export.errors import UnsupportedOperatorError
from fer_export.tfgraph.builder import Builder
from fer_export.tfgraph.graph import FLOAT, Array, Attribute, DType, Shape
from fer_export.tfgraph.layout import Permutation, Value, identity


class NotConstantError(UnsupportedOperatorError):
    """Report an input that has to be known when the graph is written, but is computed in the graph."""

    def __init__(self, operator: str, node: str, index: int, tensor: str) -> None:
        super().__init__(operator, node, f"its input {index} has to be a constant, and {tensor or 'it'} is not")
        self.tensor = tensor


class NodeContext:
    """Hold the inputs, attributes and output shapes of one node, and the builder to write with."""

    def __init__(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[Value | None],
        shapes: Sequence[Shape],
        builder: Builder,
        opset: int,
        dtypes: Sequence[DType] = (),
    ) -> None:
        self.node = node
        self.inputs = list(inputs)
        self.shapes = list(shapes)
        self.builder = builder
        self.opset = opset
        self.dtypes = list(dtypes) or [FLOAT] * len(self.shapes)
        self.name = node.name or node.output[0]
        self.attributes: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute's value; bytes are decoded to a string."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def value(self, index: int) -> Value:
        """Return a required input; a flattened one is brought into ONNX's order."""
        return self.builder.unflatten(self.raw(index))

    def raw(self, index: int) -> Value:
        """Return a required input as it is; a flattened one may have its columns in TensorFlow's order."""
        found = self.optional(index)
        if found is None:
            self.fail(f"input {index} is missing")
        return found

    def optional(self, index: int) -> Value | None:
        """Return an input, or None where the node does not have it."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int, default: Array | None = None) -> Array:
        """Return an input that has to be a constant, as an array in ONNX's order."""
        found = self.optional(index)
        if found is None and default is not None:
            return default
        if found is None:
            self.fail(f"input {index} is missing")
        if found.constant is None:
            raise NotConstantError(self.node.op_type, self.name, index, self.node.input[index])
        return found.constant

    def axis(self, value: Value, default: int = 0, name: str = "axis") -> int:
        """Return the attribute that names an axis, counted from the front."""
        axis = int(self.attribute(name, default))
        if not -max(value.rank, 1) <= axis < max(value.rank, 1):
            self.fail(f"{name} {axis} of an input of rank {value.rank}")
        return axis % max(value.rank, 1)

    def wants(self, index: int) -> bool:
        """Return whether the node has this output."""
        return index < len(self.node.output) and bool(self.node.output[index])

    def tf(
        self,
        op: str,
        *inputs: str | float,
        suffix: str = "",
        dtype: DType | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        **more: Attribute,
    ) -> str:
        """Write one of several nodes and return its tensor; numbers become constants of the first tensor's type."""
        kind = next((self.builder.dtype(tensor) for tensor in inputs if isinstance(tensor, str)), FLOAT)
        tensors = [x if isinstance(x, str) else self.builder.scalar(x, kind) for x in inputs]
        name = f"{self.name}/{suffix or op}"
        return self.builder.emit(name, op, tensors, {**(attributes or {}), **more}, dtype=dtype)

    def emit(
        self,
        op: str,
        inputs: Sequence[str],
        permutation: Permutation,
        *,
        suffix: str = "",
        shape: Shape | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        dtype: DType | None = None,
        **more: Attribute,
    ) -> Value:
        """Write the node that makes output 0 of this node, in the given layout."""
        tensor = self.builder.emit(self.name + suffix, op, inputs, {**(attributes or {}), **more}, dtype=dtype)
        return self.result(tensor, permutation, shape=shape)

    def result(
        self, tensor: str, permutation: Permutation | None = None, *, index: int = 0, shape: Shape | None = None
    ) -> Value:
        """Return a tensor as an output of this node, in ONNX's order unless a permutation is given."""
        shape = self.shapes[index] if shape is None else shape
        permutation = identity(len(shape)) if permutation is None else permutation
        return Value(shape, permutation, tensor, dtype=self.builder.dtype(tensor))

    def fail(self, detail: str) -> NoReturn:
        """Refuse the node.

        Raises:
            UnsupportedOperatorError: always, naming operator and node.
        """
        raise UnsupportedOperatorError(self.node.op_type, self.name, detail)
