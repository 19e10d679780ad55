"""This module computes nodes whose result is known before the run, with ONNX's reference evaluator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fer_export.tfgraph.graph import Array, Shape

#: A node whose result would have more values than this is not computed.
_LARGEST = 1 << 22
_NEVER = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


def fold(
    node: onnx.NodeProto,
    arrays: Mapping[str, Array],
    shapes: Mapping[str, Shape],
    opset: int,
    sizes: dict[str, Shape] | None = None,
) -> list[Array] | None:
    """Return what a node computes, where that is known before the run.

    1. Shape and Size are known where the sizes asked for are not free.
    2. A Constant of numbers is known, whichever of its attributes holds them.
    3. A Gather or Slice of a Shape's result is known where it takes only sizes that are not free.
    4. Any other node is known where all its inputs are.

    Args:
        sizes: the result of each Shape with a free size, for rule 3; this function adds to it.

    Returns:
        One array for each output, or None where the result is not known or the reference cannot compute it.
    """
    if node.op_type in _NEVER or node.domain not in ("", "ai.onnx") or any(a.HasField("g") for a in node.attribute):
        return None
    sizes = {} if sizes is None else sizes
    shape = shapes.get(node.input[0]) if node.input else None
    if node.op_type in ("Shape", "Size") and shape is not None:  # rule 1
        return _of_shape(node, shape, sizes)
    if node.op_type == "Constant":  # rule 2
        return _constant(node)
    if node.op_type in ("Gather", "Slice") and node.input[0] in sizes:
        return _taken(node, arrays, sizes[node.input[0]], opset)  # rule 3
    names = [name for name in node.input if name]
    if any(name not in arrays for name in names):
        return None
    if node.op_type == "ConstantOfShape" and int(np.prod(arrays[node.input[0]], dtype=np.float64)) > _LARGEST:
        return None
    return _evaluate(node, {name: arrays[name] for name in names}, opset)  # rule 4


def _of_shape(node: onnx.NodeProto, shape: Shape, sizes: dict[str, Shape]) -> list[Array] | None:
    attributes = {a.name: a.i for a in node.attribute}
    found = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
    if None not in found:
        known = np.array([size or 0 for size in found], np.int64)
        return [np.array(known.prod()) if node.op_type == "Size" else known]
    if node.op_type == "Shape":
        sizes[node.output[0]] = found
    return None


def _taken(node: onnx.NodeProto, arrays: Mapping[str, Array], found: Shape, opset: int) -> list[Array] | None:
    if any(name not in arrays for name in node.input[1:] if name):
        return None
    # -1 stands for a free size, which no real size can be; a result that holds it is discarded.
    stand_in = np.array([-1 if size is None else size for size in found], np.int64)
    inputs = {name: arrays[name] for name in node.input[1:] if name} | {node.input[0]: stand_in}
    results = _evaluate(node, inputs, opset)
    return results if results is not None and (results[0] >= 0).all() else None


def _constant(node: onnx.NodeProto) -> list[Array] | None:
    attribute = node.attribute[0]
    if attribute.name == "value":
        return [numpy_helper.to_array(attribute.t)]
    kind = {"value_float": np.float32, "value_int": np.int64}.get(attribute.name.removesuffix("s"))
    return None if kind is None else [np.array(helper.get_attribute_value(attribute), kind)]


def _evaluate(node: onnx.NodeProto, inputs: dict[str, Array], opset: int) -> list[Array] | None:
    from onnx.reference import ReferenceEvaluator

    infos = [helper.make_value_info(name, onnx.TypeProto()) for name in inputs]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in node.output if name]
    graph = helper.make_graph([node], "known", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(model).run(None, inputs)
    except Exception:  # the reference raises many types; the node is then converted, or refused by name
        return None
    if not all(isinstance(result, np.ndarray | np.generic) for result in results):
        return None
    return [np.asarray(result) for result in results]
