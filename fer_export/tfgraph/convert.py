"""This module converts an ONNX graph: it visits each node once, in the graph's own order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import onnx

from fer_export.errors import InvalidInputError, UnsupportedOperatorError
from fer_export.tfgraph import operators  # noqa: F401  (fills the table)
from fer_export.tfgraph.builder import Builder
from fer_export.tfgraph.graph import BOOL, FLOAT, INT32, DType, Graph, Node, TensorLayout, producer
from fer_export.tfgraph.layout import Value, channels_last, constant
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.passes import run
from fer_export.tfgraph.prepare import Prepared, prepare
from fer_export.tfgraph.registry import TABLE

#: The ONNX types that TF.js can hold, and the type that holds each; 64-bit integers have to fit into 32 bits.
_DTYPES: dict[int, DType] = {
    onnx.TensorProto.FLOAT: FLOAT,
    onnx.TensorProto.INT32: INT32,
    onnx.TensorProto.INT64: INT32,
    onnx.TensorProto.BOOL: BOOL,
}


def convert(model: onnx.ModelProto, *, passes: bool | Collection[str] = True) -> Graph:
    """Turn an ONNX model into a TensorFlow graph with channels last.

    Inputs and outputs of rank 3 and more come out as [N, …, C]; names are kept.

    Args:
        model: one graph of the default operator domain, with float32, integers and booleans.
        passes: the rewriting passes to run: True for all, False for none, or their names (see `passes.PASSES`).

    Raises:
        UnsupportedOperatorError: an operator, attribute or type has no function in the table; the hint says where a
            batch of one is all that it takes.
        InvalidInputError: the model is inconsistent.
    """
    try:
        return _convert(model, passes)
    except UnsupportedOperatorError as error:
        if one_by_one := _with_batch_of_one(model):
            try:
                _convert(one_by_one, passes)
            except InvalidInputError:
                raise error from None
            error.hint = "one picture at a time it converts: fer-export onnx --batch 1"
        raise


def _with_batch_of_one(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return a copy whose free batch is 1; None where the batch is not free."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    batches = [value.type.tensor_type.shape.dim[0] for value in copy.graph.input if value.type.tensor_type.shape.dim]
    names = {size.dim_param for size in batches if size.dim_param}
    if not names:
        return None
    # What was inferred from a free batch is inferred anew.
    del copy.graph.value_info[:]
    for value in (*copy.graph.input, *copy.graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in names:
                size.dim_value = 1
            elif size.dim_param:
                size.ClearField("value")
    return copy


def _convert(model: onnx.ModelProto, passes: bool | Collection[str]) -> Graph:
    _refuse_unknown(model)
    prepared = prepare(model)
    builder = Builder(prepared.outputs)
    values: dict[str, Value] = {}
    for name in prepared.inputs:
        values[name] = _placeholder(builder, name, prepared)
    for name, array in prepared.arrays.items():
        if array.dtype.name in ("float32", "float64", "int32", "int64", "bool"):
            values[name] = constant(array, name)
    for node in prepared.nodes:
        _check(node, prepared)
        context = NodeContext(
            node,
            [values[name] if name else None for name in node.input],
            [prepared.shapes.get(name, ()) for name in node.output],
            builder,
            prepared.opset,
            [_DTYPES.get(prepared.types.get(name, 1), FLOAT) for name in node.output],
        )
        answer = TABLE[node.op_type].function(context)
        results = answer if isinstance(answer, tuple) else (answer,)
        values.update(zip(node.output, results, strict=False))
    graph = builder.graph
    graph.values = {
        name: TensorLayout(value.tensor, value.permutation, value.columns, value.dtype)
        for name, value in values.items()
        if value.constant is None
    }
    _outputs(builder, {name: values[name] for name in prepared.outputs})
    graph.prune()
    run(graph, passes)
    return graph


def _refuse_unknown(model: onnx.ModelProto) -> None:
    """Check all nodes before any is converted, so that an unsupported one is reported at once."""
    for node in model.graph.node:
        name = node.name or node.output[0]
        if node.domain not in ("", "ai.onnx"):
            raise UnsupportedOperatorError(f"{node.domain}.{node.op_type}", name, "its domain is not known")
        if node.op_type not in TABLE:
            continue
        for attribute in node.attribute:
            if attribute.name not in TABLE[node.op_type].attributes:
                raise UnsupportedOperatorError(node.op_type, name, f"its attribute {attribute.name} is not known")


def _check(node: onnx.NodeProto, prepared: Prepared) -> None:
    for name in (*node.input, *node.output):
        kind = prepared.types.get(name)
        if (
            kind is not None
            and kind not in _DTYPES
            and not (kind == onnx.TensorProto.DOUBLE and name in prepared.arrays)
        ):
            type_name = onnx.TensorProto.DataType.Name(kind).lower()
            raise UnsupportedOperatorError(
                node.op_type, node.name or node.output[0], f"{name} has the type {type_name}, which TF.js lacks"
            )


def _placeholder(builder: Builder, name: str, prepared: Prepared) -> Value:
    kind = prepared.types.get(name, 0)
    if name not in prepared.shapes or kind not in _DTYPES:
        type_name = onnx.TensorProto.DataType.Name(kind).lower() if kind else "no tensor"
        raise InvalidInputError(f"input {name} ({type_name}): TF.js takes tensors of float32, int32 and bool")
    shape, dtype = prepared.shapes[name], _DTYPES[kind]
    value = Value(shape, channels_last(len(shape)), dtype=dtype)
    tensor = builder.emit(name, "Placeholder", (), {"dtype": dtype}, dtype=dtype)
    builder.graph.inputs[tensor] = value.tf_shape()
    _note(builder.graph, tensor, dtype)
    return Value(shape, value.permutation, tensor, dtype=dtype)


def _outputs(builder: Builder, values: Mapping[str, Value]) -> None:
    """Give each output's tensor the output's own name, by renaming its node where no other node is needed."""
    graph = builder.graph
    tensors = {name: builder.in_layout(value, channels_last(value.rank)) for name, value in values.items()}
    by_name = {node.name: node for node in graph.nodes}
    renamed: dict[str, str] = {}
    for name, tensor in tensors.items():
        made = by_name[producer(tensor)]
        final = builder.reserved(name)
        if made.op in ("Placeholder", "Const") or tensor in renamed or tensor != made.name:
            builder.emit(final, "Identity", (tensor,), reserved=True)
        else:
            renamed[tensor] = final
        graph.outputs[final] = tuple(values[name].shape[axis] for axis in channels_last(values[name].rank))
        _note(graph, final, values[name].dtype)
    graph.nodes = [_renamed(node, renamed) for node in graph.nodes]
    graph.values = {
        name: replace(layout, tensor=renamed.get(layout.tensor, layout.tensor)) for name, layout in graph.values.items()
    }
    for name, value in values.items():
        graph.values[name] = TensorLayout(builder.reserved(name), channels_last(value.rank), dtype=value.dtype)


def _note(graph: Graph, name: str, dtype: DType) -> None:
    if dtype != FLOAT:
        graph.dtypes[name] = dtype


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    inputs = tuple(
        names.get(producer(source), producer(source)) + source[len(producer(source)) :] for source in node.inputs
    )
    return Node(names.get(node.name, node.name), node.op, inputs, node.attributes)
