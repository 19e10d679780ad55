"""This module finds the first wrong operator of a route that keeps no names, by converting parts of the model.

The search bisects the values between input and output, so it assumes that a value is right wherever a
later one is. A ReLU or a pool can break that; the search then finds a later wrong operator than the first, but
never a right one, because it ends at an operator whose output is wrong and whose inputs are right.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import shape_inference

from fer_export.diagnose.bisect.finding import Array, Value
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.reconvert import Reconversion
from fer_export.diagnose.bisect.scan import ReferenceValues, between, compared
from fer_export.errors import FerExportError
from fer_export.runtimes import Inputs

#: The name of the cut model's only output, which every converter accepts.
_CUT = "cut"


def cut(model: onnx.ModelProto, value: str) -> onnx.ModelProto:
    """Return the part of a model that leads to a value, which is its only output, under the name `cut`."""
    whole = ir.from_proto(shape_inference.infer_shapes(model))
    graph = ir.convenience.extract(whole.graph, whole.graph.inputs, [value])
    graph.outputs[0].name = _CUT
    return ir.to_proto(ir.Model(graph, ir_version=whole.ir_version, functions=list(whole.functions.values())))


def search(
    reference: ReferenceValues,
    reconversion: Reconversion,
    output: str,
    inputs: Inputs,
    *,
    started: Callable[[str], object] = lambda step: None,
) -> tuple[Value | None, int]:
    """Find the operator that goes wrong on the way to an output.

    Args:
        output: an output that is wrong when the route converts the whole model.
        started: called with a line about each value before it is tried.

    Returns:
        The operator's value, or None where the output is right as the only output; and the number of parts
        that were converted.
    """
    tried: dict[str, Value | None] = {}

    def compare(name: str) -> Value | None:
        if name not in tried:
            started(f"cutting at {name}")
            tried[name] = _at(reference, reconversion, name, inputs)
        return tried[name]

    def wrong(name: str) -> bool | None:
        value = compare(name)
        return None if value is None else value.off

    end = output
    if not wrong(end):
        return None, len(tried)
    while True:
        end = _halved(_before(reference, end), wrong)
        _, sources = between(reference.model, end, _before(reference, end)[:-1])
        earlier = [
            name for name in sources if name in reference.values and name in _computed(reference) and wrong(name)
        ]
        if not earlier:
            return compare(end), len(tried)
        end = earlier[0]


def _halved(order: list[str], wrong: Callable[[str], bool | None]) -> str:
    """Find the first wrong value of `order`, whose last one is wrong, provided that all after it are wrong too."""
    right, found = -1, len(order) - 1
    while found - right > 1:
        middle = (right + found) // 2
        answer = wrong(order[middle])
        if answer is None:  # the route cannot convert this part: leave the value out
            del order[middle]
            found -= 1
        elif answer:
            found = middle
        else:
            right = middle
    return order[found]


def _before(reference: ReferenceValues, value: str) -> list[str]:
    """Return the floating-point values that a value depends on, and itself, in the model's order."""
    nodes, _ = between(reference.model, value, ())
    names = [name for node in nodes for name in node.output if name in reference.values]
    return [name for name in names if reference.values[name].dtype == np.float32 and reference.values[name].ndim]


def _computed(reference: ReferenceValues) -> set[str]:
    return {name for node in reference.model.graph.node for name in node.output}


def _at(reference: ReferenceValues, reconversion: Reconversion, name: str, inputs: Inputs) -> Value | None:
    part = cut(reference.model, name)
    shorter = reconversion.ending_in(_CUT)
    with tempfile.TemporaryDirectory() as folder:
        try:
            answers, _ = shorter.run(shorter.make(part, Path(folder)), inputs)
        except FerExportError:
            return None
    got: dict[str, Array] = {name: in_onnx(answers[_CUT])}
    known = set(_before(reference, name)[:-1])
    return compared(reference, {**dict.fromkeys(known, np.zeros(0)), **got}, name)
