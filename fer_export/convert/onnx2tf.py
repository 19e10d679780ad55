"""This module rewrites ONNX graphs that onnx2tf 1.28.8 would convert wrongly, before it is called."""

from __future__ import annotations

import copy

import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass

from fer_export.errors import FerExportError, InvalidInputError
from fer_export.tfgraph.prepare import prepare

_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Pow")


def for_onnx2tf(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that computes the same; each rewrite below says what goes wrong without it.

    Raises:
        InvalidInputError: the net takes RGB pictures in a fixed batch, for which onnx2tf would download test pictures.
    """
    _refuse_download(model)
    rewritten = onnx.shape_inference.infer_shapes(model, data_prop=True)
    del rewritten.metadata_props[:]
    known(rewritten)
    for rewrite in (ceil_pools, expands):
        rewrite(rewritten.graph)
    # It converts nodes that nobody reads, too, and may fail on what computed an Expand's target.
    pruned = RemoveUnusedNodesPass()(ir.from_proto(rewritten)).model
    return ir.to_proto(pruned)


def ceil_pools(graph: onnx.GraphProto) -> None:
    """Replace a MaxPool with ceil_mode by one with more padding at the end.

    onnx2tf computes that padding from the input's size, and raises where the size is free. Padding of
    stride - 1 gives the same result where no window can start in the padding; other pools are left.
    """
    for node in graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        ceil = attributes.get("ceil_mode")
        if node.op_type != "MaxPool" or ceil is None or not ceil.i:
            continue
        kernel = list(attributes["kernel_shape"].ints)
        strides = list(attributes["strides"].ints) if "strides" in attributes else [1] * len(kernel)
        pads = list(attributes["pads"].ints) if "pads" in attributes else [0] * 2 * len(kernel)
        ends = [pad + stride - 1 for pad, stride in zip(pads[len(kernel) :], strides, strict=True)]
        if any(end >= size for end, size in zip(ends, kernel, strict=True)):
            continue
        kept = [attribute for name, attribute in attributes.items() if name not in ("ceil_mode", "pads")]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("pads", [*pads[: len(kernel)], *ends])])


def expands(graph: onnx.GraphProto) -> None:
    """Remove an Expand that only elementwise operators read, since they broadcast by themselves.

    onnx2tf transposes a target shape that is computed in the graph as though it were a picture. The
    model then fails when it is called, or while it is made (torch's `F.normalize` is exported so).
    """
    shapes = {entry.name: _shape(entry) for entry in (*graph.input, *graph.value_info, *graph.output)}
    outputs = {entry.name for entry in graph.output}
    for node in graph.node:
        if node.op_type != "Expand" or node.output[0] in outputs:
            continue
        readers = [reader for reader in graph.node if node.output[0] in reader.input]
        if not readers or any(reader.op_type not in _ELEMENTWISE for reader in readers):
            continue
        # The other operand must have the full size already, or the result would be smaller.
        full = shapes.get(node.output[0], ())
        others = [name for reader in readers for name in reader.input if name != node.output[0]]
        if not full or "" in full or any(shapes.get(name) != full for name in others):
            continue
        for reader in readers:
            names = [node.input[0] if name == node.output[0] else name for name in reader.input]
            del reader.input[:]
            reader.input.extend(names)


def known(model: onnx.ModelProto) -> None:
    """Replace what depends on shapes alone by constants, and a Reshape's target with at most one free size.

    onnx2tf loses the rank of a value that is reshaped or expanded to computed sizes, and raises at the next Transpose
    or Softmax (torch exports attention this way). A model that `tfgraph.prepare` refuses stays as it is.
    """
    graph = model.graph
    try:
        settled = prepare(model)
    except FerExportError:
        return
    constants = {name: settled.arrays[name] for node in graph.node for name in node.output if name in settled.arrays}
    kept = [node for node in graph.node if not any(name in constants for name in node.output)]
    for node in kept:
        target = f"{node.output[0]}/target"
        if node.op_type == "Reshape" and target in settled.arrays:
            node.input[1] = target
            constants[target] = settled.arrays[target]
    nodes = [copy.deepcopy(node) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())


def _shape(entry: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    """Return the sizes, with the name of each free one; the name is empty where it has none."""
    dims = entry.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims)


def _refuse_download(model: onnx.ModelProto) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if len(dims) == 4 and dims[0].HasField("dim_value") and dims[1].dim_value == 3 and dims[2].HasField("dim_value"):
        raise InvalidInputError(
            "onnx2tf fetches test pictures from the network for RGB models of a fixed batch",
            hint="export with a free batch: fer-export onnx --batch dynamic",
        )
