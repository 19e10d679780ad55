"""The conversion itself: walk the ONNX graph once, in its own order."""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from fer_export.errors import InvalidInputError, UnsupportedOperatorError
from fer_export.export.graphdef import operators  # noqa: F401  (fills the table)
from fer_export.export.graphdef.builder import Builder
from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import FLOAT, Graph, Node, Shape, producer
from fer_export.export.graphdef.layout import Value, channels_last, identity
from fer_export.export.graphdef.passes import PASSES
from fer_export.export.graphdef.prepare import prepare
from fer_export.export.graphdef.registry import TABLE


def convert(model: onnx.ModelProto, *, passes: bool = True) -> Graph:
    """Turn an ONNX model into a TensorFlow graph with channels last.

    Inputs and outputs of rank 3 and more come out as [N, …, C]; names are kept.

    Args:
        model: one graph of the default operator domain, float32.
        passes: run the rewriting passes.

    Raises:
        UnsupportedOperatorError: an operator, attribute or form of it that has no function.
        InvalidInputError: the model does not hold together.
    """
    model = prepare(model)
    _refuse_unknown(model)
    shapes = _shapes(model)
    builder = Builder()
    values: dict[str, Value] = {}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        values[tensor.name] = Value(array.shape, identity(array.ndim), tensor.name, array)
    for entry in model.graph.input:
        if entry.name not in values:
            values[entry.name] = _placeholder(builder, entry.name, shapes[entry.name])
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    for node in model.graph.node:
        inputs = [values[name] if name else None for name in node.input]
        call = Call(node, inputs, [shapes.get(name, ()) for name in node.output], builder, opset)
        answer = TABLE[node.op_type].function(call)
        results = answer if isinstance(answer, tuple) else (answer,)
        values.update(zip(node.output, results, strict=False))
    graph = builder.graph
    for entry in model.graph.output:
        _output(builder, entry.name, values[entry.name])
    graph.prune()
    if passes:
        for rewrite in PASSES:
            rewrite(graph)
            graph.prune()
    return graph


def _refuse_unknown(model: onnx.ModelProto) -> None:
    """Look at all nodes before any is converted, so that the error comes first."""
    for node in model.graph.node:
        name = node.name or node.output[0]
        if node.domain not in ("", "ai.onnx"):
            raise UnsupportedOperatorError(f"{node.domain}.{node.op_type}", name, "its domain is not known")
        if node.op_type not in TABLE:
            raise UnsupportedOperatorError(node.op_type, name, "this operator is not known")
        for attribute in node.attribute:
            if attribute.name not in TABLE[node.op_type].attributes:
                raise UnsupportedOperatorError(node.op_type, name, f"its attribute {attribute.name} is not known")


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    graph = model.graph
    found: dict[str, Shape] = {}
    for entry in (*graph.input, *graph.value_info, *graph.output):
        kind = entry.type.tensor_type
        if kind.HasField("shape"):
            found[entry.name] = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    for node in graph.node:
        for name in node.output:
            if name and name not in found:
                raise InvalidInputError(f"the shape of {name} (node {node.name!r}) cannot be inferred")
    return found


def _placeholder(builder: Builder, name: str, shape: Shape) -> Value:
    permutation = channels_last(len(shape))
    value = Value(shape, permutation)
    tensor = builder.emit(name, "Placeholder", (), {"dtype": FLOAT})
    builder.graph.inputs[tensor] = value.tf_shape()
    return Value(shape, permutation, tensor)


def _output(builder: Builder, name: str, value: Value) -> None:
    """Give the tensor the output's own name: by renaming its node where that is free to do."""
    graph = builder.graph
    permutation = channels_last(value.rank)
    tensor = builder.read(value, permutation)
    made = next(node for node in graph.nodes if node.name == producer(tensor))
    shape = tuple(value.shape[axis] for axis in permutation)
    if made.op in ("Placeholder", "Const") or made.name in graph.outputs or tensor != made.name:
        name = builder.emit(name, "Identity", (tensor,), {"T": FLOAT})
    else:
        name = builder.free_name(name) if made.name != name else name
        graph.nodes = [_renamed(node, made.name, name) for node in graph.nodes]
    graph.outputs[name] = shape


def _renamed(node: Node, old: str, new: str) -> Node:
    inputs = tuple(new + source[len(old) :] if producer(source) == old else source for source in node.inputs)
    return Node(new if node.name == old else node.name, node.op, inputs, node.attributes)
