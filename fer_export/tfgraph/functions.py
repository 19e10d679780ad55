"""This module writes out operators that the ONNX standard defines by others and the table has no function for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from fer_export.errors import UnsupportedOperatorError


def expand(node: onnx.NodeProto, opset: int, types: Mapping[str, onnx.TypeProto]) -> list[onnx.NodeProto] | None:
    """Return the nodes that a node stands for (https://onnx.ai/onnx/repo-docs/IR.html#functions).

    Args:
        opset: the model's opset.
        types: the types of the node's inputs, which some definitions depend on.

    Returns:
        The nodes, or None where the standard has no such definition.

    Raises:
        UnsupportedOperatorError: the definition itself contains a subgraph.
    """
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    body = _body(node, schema, opset, types)
    if body is None:
        return None
    attributes = {a.name: a.default_value for a in schema.attributes.values() if a.default_value.type}
    attributes |= {attribute.name: attribute for attribute in node.attribute}
    prefix = f"{node.name or node.output[0]}/"
    names = {"": ""}
    names |= {name: node.input[i] if i < len(node.input) else "" for i, name in enumerate(body.input)}
    names |= {name: node.output[i] for i, name in enumerate(body.output) if i < len(node.output) and node.output[i]}
    result = []
    for inner in body.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        if any(attribute.HasField("g") for attribute in inner.attribute):
            raise UnsupportedOperatorError(
                node.op_type, node.name or node.output[0], f"its definition needs the operator {inner.op_type}"
            )
        copy.name = prefix + (inner.name or inner.output[0])
        del copy.input[:], copy.output[:], copy.attribute[:]
        copy.input.extend(names.get(name, prefix + name) for name in inner.input)
        copy.output.extend(names.get(name, prefix + name) for name in inner.output)
        copy.attribute.extend(_attributes(inner, attributes))
        result.append(copy)
    return result


def _body(
    node: onnx.NodeProto, schema: onnx.defs.OpSchema, opset: int, types: Mapping[str, onnx.TypeProto]
) -> onnx.FunctionProto | None:
    body = onnx.FunctionProto()
    known: Any = schema  # onnx's stubs leave these methods out
    versions = list(known.function_opset_versions)
    if versions:
        body.ParseFromString(known.get_function_with_opset_version(_fitting(versions, opset)))
        return body
    versions = list(known.context_dependent_function_opset_versions)
    if not versions:
        return None
    inputs = [types.get(name, onnx.TypeProto()).SerializeToString() for name in node.input]
    text = known.get_context_dependent_function_with_opset_version(
        _fitting(versions, opset), node.SerializeToString(), inputs
    )
    body.ParseFromString(text)
    return body if body.node else None


def _fitting(versions: list[int], opset: int) -> int:
    """Return the newest version not above the opset, or the oldest: some operators got their definition later."""
    return max((version for version in versions if version <= opset), default=min(versions))


def _attributes(inner: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> list[onnx.AttributeProto]:
    result = []
    for attribute in inner.attribute:
        source = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        if source is not None:
            copy = onnx.AttributeProto()
            copy.CopyFrom(source)
            copy.name = attribute.name
            result.append(copy)
    return result
