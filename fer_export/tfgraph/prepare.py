"""This module infers shapes and computes what is known, before the nodes are converted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from fer_export.errors import InvalidInputError, UnsupportedOperatorError
from fer_export.tfgraph.folding import fold
from fer_export.tfgraph.functions import expand
from fer_export.tfgraph.graph import Array, Shape
from fer_export.tfgraph.group_norm import found_again
from fer_export.tfgraph.registry import TABLE

#: Initializers with more values than this are weights; shape inference gets their shapes alone.
_SMALL = 4096


@dataclass
class Prepared:
    """Hold a model that is ready to be converted.

    Attributes:
        nodes: in the model's order, each with an entry in the operator table.
        arrays: every value that is known: initializers and what is computed from them.
        shapes, types: those of all values; a free size is `None`, and types are ONNX's numbers.
    """

    nodes: list[onnx.NodeProto]
    inputs: list[str]
    outputs: list[str]
    opset: int
    arrays: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)


def prepare(model: onnx.ModelProto) -> Prepared:
    """Simplify the model as far as that is possible before the run.

    1. A `Constant` node becomes an array.
    2. An operator that is not in the table, but is defined by others in the standard, is written out.
    3. Shapes are inferred with values propagated, and what is known is computed, until a round changes
       nothing.
    4. The nodes that torch's exporter writes for a GroupNormalization become one again (`group_norm.py`).
    5. A Reshape or Expand whose target is computed gets a constant target where its result's shape is known:
       one size may be free for a Reshape, none for an Expand.
    6. An Expand is removed where all its readers broadcast it against a value of that shape.
    7. Nodes that no output needs are removed.

    Raises:
        UnsupportedOperatorError: an operator is not in the table and not defined by others.
        InvalidInputError: a shape cannot be inferred.
    """
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = _prune([_copy(node) for node in model.graph.node], {entry.name for entry in model.graph.output})
    prepared = Prepared(
        nodes,
        [entry.name for entry in model.graph.input if entry.name not in arrays],
        [entry.name for entry in model.graph.output],
        opset,
        arrays,
    )
    typed: dict[str, onnx.TypeProto] = {}
    while True:
        _fold(prepared)
        typed = _infer(model, prepared)
        before = len(prepared.nodes), len(prepared.arrays)
        _expand(prepared, typed)
        _fold(prepared)
        if (len(prepared.nodes), len(prepared.arrays)) == before:
            break
    prepared.nodes = found_again(prepared.nodes, prepared.outputs, prepared.arrays, prepared.shapes)
    _resolve_targets(prepared)
    _drop_expands(prepared)
    prepared.nodes = _prune(prepared.nodes, set(prepared.outputs))
    _all_known(prepared)
    return prepared


def _fold(prepared: Prepared) -> None:
    kept = []
    sizes: dict[str, Shape] = {}
    for node in prepared.nodes:
        results = fold(node, prepared.arrays, prepared.shapes, prepared.opset, sizes)
        if results is None:
            kept.append(node)
            continue
        for name, array in zip([name for name in node.output if name], results, strict=True):
            prepared.arrays[name] = array
            prepared.shapes[name] = array.shape
    prepared.nodes = kept


def _expand(prepared: Prepared, typed: dict[str, onnx.TypeProto]) -> None:
    """Apply rule 2, one level deep; the next round expands what comes out."""
    result = []
    for node in prepared.nodes:
        inside = None
        if node.domain in ("", "ai.onnx") and node.op_type not in TABLE:
            inside = expand(node, prepared.opset, typed)
            if inside is None:
                raise UnsupportedOperatorError(node.op_type, node.name or node.output[0], "this operator is not known")
        result += [node] if inside is None else inside
    prepared.nodes = _prune(result, set(prepared.outputs))


def _infer(model: onnx.ModelProto, prepared: Prepared) -> dict[str, onnx.TypeProto]:
    """Apply rule 3. Large weights are left out, so that gigabytes are not copied."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    graph = light.graph
    graph.name = "light"
    graph.node.extend(prepared.nodes)
    inputs = set(prepared.inputs)
    graph.input.extend(entry for entry in model.graph.input if entry.name in inputs)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(entry for entry in model.graph.value_info if entry.name not in prepared.arrays)
    used = {name for node in prepared.nodes for name in node.input} | set(prepared.outputs)
    for name, array in prepared.arrays.items():
        if name not in used:
            continue
        if array.size <= _SMALL:
            graph.initializer.append(numpy_helper.from_array(array, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(helper.make_tensor_value_info(name, kind, array.shape))
    try:
        inferred = shape_inference.infer_shapes(light, data_prop=True).graph
    except shape_inference.InferenceError as error:
        raise InvalidInputError(f"the shapes of the graph do not fit: {str(error).splitlines()[0]}") from error
    typed = {}
    for entry in (*inferred.value_info, *inferred.input, *inferred.output):
        typed[entry.name] = entry.type
        kind = entry.type.tensor_type
        if kind.elem_type:
            prepared.types[entry.name] = kind.elem_type
        if kind.HasField("shape"):
            prepared.shapes[entry.name] = tuple(
                d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim
            )
    for name, array in prepared.arrays.items():
        prepared.shapes[name] = array.shape
        prepared.types[name] = helper.np_dtype_to_tensor_dtype(array.dtype)
    return typed


def _resolve_targets(prepared: Prepared) -> None:
    for node in prepared.nodes:
        shape = prepared.shapes.get(node.output[0])
        if node.op_type not in ("Reshape", "Expand") or node.input[1] in prepared.arrays or shape is None:
            continue
        free = shape.count(None)
        if free > 1 or (node.op_type == "Expand" and free):
            continue
        name = f"{node.output[0]}/target"
        prepared.arrays[name] = np.array([-1 if size is None else size for size in shape], np.int64)
        node.input[1] = name


def _drop_expands(prepared: Prepared) -> None:
    """Apply rule 6. Two free sizes are taken to be equal, since the model broadcasts them as well."""
    readers: dict[str, list[onnx.NodeProto]] = {name: [] for name in prepared.outputs}
    for node in prepared.nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in prepared.nodes:
        name = node.output[0]
        if node.op_type != "Expand" or name in prepared.outputs or node.input[0] in prepared.arrays:
            continue
        shape = prepared.shapes.get(name)
        if all(_is_broadcast_anyway(reader, name, shape, prepared) for reader in readers.get(name, [])):
            for reader in readers.get(name, []):
                reader.input[:] = [node.input[0] if source == name else source for source in reader.input]


def _is_broadcast_anyway(node: onnx.NodeProto, name: str, shape: Shape | None, prepared: Prepared) -> bool:
    others = [prepared.shapes.get(source) for source in node.input if source != name]
    return node.op_type in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min") and shape in others and shape is not None


def _all_known(prepared: Prepared) -> None:
    for node in prepared.nodes:
        for name in node.output:
            if name and name not in prepared.shapes:
                raise InvalidInputError(
                    f"the shape of {name} (node {node.name or node.output[0]!r}, operator {node.op_type}) "
                    "cannot be inferred"
                )


def _prune(nodes: list[onnx.NodeProto], needed: set[str]) -> list[onnx.NodeProto]:
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
