"""This module finds the first ONNX value out of tolerance where both sides' values are known.

It looks at all values in the graph's own order, because an error need not show in every later value: a
ReLU or a pool may hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx

from fer_export.diagnose.bisect.finding import Array, Operator, Statistics, Value
from fer_export.diagnose.bisect.onnx_values import Values, numeric, run
from fer_export.errors import FerExportError

#: A value whose elements are all smaller than this is held to the tolerance of a value of this size.
_SMALLEST_SCALE = 1e-3


@dataclass(frozen=True)
class Limits:
    """Hold the largest differences allowed.

    Attributes:
        tolerance: the limit for inner values, as a share of their largest element, since they have no unit of
            their own and rounding errors grow with their size.
        outputs: the limit for each output, as parity computes it (`fer_export/parity/measuring.py`).
    """

    tolerance: float
    outputs: Mapping[str, float]

    def of(self, name: str, scale: float) -> float:
        """Return the limit for a value whose largest element is `scale`."""
        return self.outputs.get(name, self.tolerance * max(scale, _SMALLEST_SCALE))

    def hold(self, expected: Mapping[str, Array], got: Mapping[str, Array]) -> bool:
        """Return whether every output exists and is within its limit."""
        return all(
            name in got and got[name].shape == expected[name].shape and _largest(expected[name], got[name]) <= limit
            for name, limit in self.outputs.items()
        )


@dataclass(frozen=True)
class ReferenceValues:
    """Hold an ONNX model and what its values should be.

    Attributes:
        values: the value of every node's output, by name, whichever runtime computed it.
        layers: the torch module that each node was exported from, by node name, where known.
    """

    name: str
    model: onnx.ModelProto
    values: Values
    limits: Limits
    layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        """Return the names of the model's outputs."""
        return [entry.name for entry in self.model.graph.output]

    def operator(self, node: onnx.NodeProto) -> Operator:
        """Return a node in the form of a finding."""
        return Operator(node.name or node.output[0], node.op_type, self.layers.get(node.name))


def first(reference: ReferenceValues, suspect: Mapping[str, Array]) -> Value | None:
    """Return the first value of the suspect that is out of tolerance; None where all are within it.

    Args:
        suspect: values by their ONNX names and in ONNX's layout; any of them may be missing.
    """
    for node in reference.model.graph.node:
        for name in node.output:
            if name in suspect and numeric(reference.values.get(name)):
                found = compared(reference, suspect, name)
                if found.off:
                    return replace(found, alone=alone(reference, suspect, name))
    return None


def largest_alone(reference: ReferenceValues, suspect: Mapping[str, Array], before: str) -> Value | None:
    """Return the value before `before` with the largest error of its own, relative to its largest element.

    An error that stays within tolerance at first may come from there.
    """
    worst: tuple[float, str] | None = None
    for name in [output for node in reference.model.graph.node for output in node.output]:
        if name == before:
            break
        if name in suspect and numeric(reference.values.get(name)):
            own = alone(reference, suspect, name)
            scale = max(float(np.abs(reference.values[name]).max(initial=0)), _SMALLEST_SCALE)
            if own and (worst is None or own / scale > worst[0]):
                worst = own / scale, name
    if worst is None:
        return None
    found = compared(reference, suspect, worst[1])
    return replace(found, alone=worst[0] * max(found.scale, _SMALLEST_SCALE))


def compared(reference: ReferenceValues, suspect: Mapping[str, Array], name: str) -> Value:
    """Compare one value on both sides; the result has the nodes that lead to it from values the suspect has."""
    expected, got = reference.values[name], np.asarray(suspect[name])
    nodes, inputs = between(reference.model, name, suspect)
    nodes = [node for node in nodes if node.op_type != "Constant"]
    same = expected.shape == got.shape
    scale = float(np.abs(expected).max(initial=0))
    return Value(
        name,
        tuple(reference.operator(node) for node in nodes),
        reference.operator(nodes[-1]) if len(nodes) == 1 else None,
        expected.shape,
        tuple(inputs),
        Statistics.of(expected),
        Statistics.of(got),
        None if same else got.shape,
        _largest(expected, got) if same else float("inf"),
        scale,
        reference.limits.of(name, scale),
    )


def between(model: onnx.ModelProto, name: str, known: Iterable[str]) -> tuple[list[onnx.NodeProto], list[str]]:
    """Return the nodes from known values to a value, in the model's order, and those known values."""
    known = {*known, *(entry.name for entry in model.graph.input)} - {name}
    constants = {tensor.name for tensor in model.graph.initializer}
    needed, nodes, found = {name}, [], set()
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            sources = {source for source in node.input if source} - constants
            found |= sources & known
            needed |= sources - known
    order = [output for node in model.graph.node for output in node.output]
    first_ones = [entry.name for entry in model.graph.input if entry.name in found]
    return nodes[::-1], first_ones + [output for output in order if output in found]


def alone(
    reference: ReferenceValues, suspect: Mapping[str, Array], name: str, without: onnx.NodeProto | None = None
) -> float | None:
    """Return what remains of a difference when a value is computed from the suspect's own inputs; None if unknown.

    Args:
        without: one of the nodes on the way, to be skipped.
    """
    model = reference.model
    nodes, inputs = between(model, name, suspect)
    found = {source: suspect.get(source, reference.values.get(source)) for source in inputs}
    feeds = {source: array for source, array in found.items() if array is not None}
    if len(feeds) < len(inputs):
        return None
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    used = dict.fromkeys(source for node in nodes for source in node.input if source in constants)
    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    part.graph.name = "part"
    part.graph.node.extend(_passed_over(node) if node == without else node for node in nodes)
    part.graph.initializer.extend(constants[source] for source in used)
    part.graph.input.extend(
        onnx.helper.make_tensor_value_info(source, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for source, array in feeds.items()
    )
    part.graph.output.append(onnx.ValueInfoProto(name=name))
    try:
        answer = run(part, feeds)[name]
    except FerExportError:  # a node may need more than its inputs, such as a loop's outer values
        return None
    if answer.shape != suspect[name].shape:
        return None
    return _largest(answer, suspect[name])


def lost(reference: ReferenceValues, suspect: Mapping[str, Array], value: Value) -> Operator | None:
    """Return the operator of a value without which the others give what the suspect has."""
    nodes, _ = between(reference.model, value.name, suspect)
    shapes = {source: array.shape for source, array in reference.values.items()}
    for node in nodes:
        if len(node.output) == 1 and node.input and shapes.get(node.input[0], ()) == shapes.get(node.output[0]):
            left = alone(reference, suspect, value.name, node)
            if left is not None and left <= value.limit:
                return reference.operator(node)
    return None


def _passed_over(node: onnx.NodeProto) -> onnx.NodeProto:
    return onnx.helper.make_node("Identity", node.input[:1], node.output[:1], node.name)


def _largest(first: Array, second: Array) -> float:
    """Return the largest difference; NaN where either side holds a NaN."""
    with np.errstate(invalid="ignore"):
        return float(np.abs(first.astype(np.float64) - second).max(initial=0))
