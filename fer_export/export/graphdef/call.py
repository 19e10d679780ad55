"""One ONNX node as an operator function sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import onnx

from fer_export.errors import UnsupportedOperatorError
from fer_export.export.graphdef.builder import Builder
from fer_export.export.graphdef.graph import FLOAT, Array, Attribute, Shape
from fer_export.export.graphdef.layout import Permutation, Value


class Call:
    """Inputs, attributes and output shapes of one node, and the builder to write with."""

    def __init__(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[Value | None],
        shapes: Sequence[Shape],
        builder: Builder,
        opset: int,
    ) -> None:
        self.node = node
        self.inputs = list(inputs)
        self.shapes = list(shapes)
        self.builder = builder
        self.opset = opset
        self.name = node.name or node.output[0]
        self.attributes: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value; strings decoded."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def value(self, index: int) -> Value:
        """A required input."""
        found = self.optional(index)
        if found is None:
            self.fail(f"input {index} is missing")
        return found

    def optional(self, index: int) -> Value | None:
        """An input that may be absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int, default: Array | None = None) -> Array:
        """An input that has to be a constant, as an array in ONNX's order."""
        found = self.optional(index)
        if found is None and default is not None:
            return default
        if found is None or found.constant is None:
            self.fail(f"input {index} has to be a constant")
        return found.constant

    def emit(
        self,
        op: str,
        inputs: Sequence[str],
        permutation: Permutation,
        *,
        suffix: str = "",
        shape: Shape | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        **more: Attribute,
    ) -> Value:
        """Write a node of float type; the value it makes is output 0 of this call in that layout."""
        attributes = {**(attributes or {}), **more}
        tensor = self.builder.emit(self.name + suffix, op, inputs, {"T": FLOAT, **attributes})
        return Value(self.shapes[0] if shape is None else shape, permutation, tensor)

    def fail(self, detail: str) -> NoReturn:
        """Refuse the node.

        Raises:
            UnsupportedOperatorError: always, naming operator and node.
        """
        raise UnsupportedOperatorError(self.node.op_type, self.name, detail)
