"""What is settled on the ONNX side before the walk: shapes inferred, shape arithmetic resolved."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with inferred shapes, constants as initializers, and no node that no output needs.

    1. Shapes are inferred with values propagated.
    2. A `Constant` node becomes an initializer.
    3. A Reshape or Expand whose target is computed, but whose result has one free size at most, gets
       that result's shape as a constant target.
    4. Nodes that no output needs go.
    """
    prepared = onnx.ModelProto()
    prepared.CopyFrom(shape_inference.infer_shapes(model, data_prop=True))
    graph = prepared.graph
    _constants(graph)
    _resolve_targets(graph)
    _prune(graph)
    return prepared


def _constants(graph: onnx.GraphProto) -> None:
    kept = []
    for node in graph.node:
        if node.op_type != "Constant":
            kept.append(node)
            continue
        attribute = node.attribute[0]
        if attribute.name == "value":
            array = numpy_helper.to_array(attribute.t)
        else:
            kind = np.float32 if attribute.name.startswith("value_float") else np.int64
            array = np.array(onnx.helper.get_attribute_value(attribute), kind)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    _replace(graph, kept)


def _resolve_targets(graph: onnx.GraphProto) -> None:
    known = {tensor.name for tensor in graph.initializer}
    shapes = {entry.name: entry.type.tensor_type.shape for entry in (*graph.value_info, *graph.output)}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] in known or node.output[0] not in shapes:
            continue
        sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in shapes[node.output[0]].dim]
        if sizes.count(-1) <= 1:
            name = f"{node.output[0]}/target"
            graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), name))
            node.input[1] = name


def _prune(graph: onnx.GraphProto) -> None:
    needed = {entry.name for entry in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    _replace(graph, kept[::-1])


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    del graph.node[:]
    graph.node.extend(copies)
