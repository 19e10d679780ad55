"""Find the first wrong operator of a road that keeps no names: cut the model before it, and send that down the road.

The search halves the values between input and output, and so takes it that a value is right wherever one
behind it is. A ReLU or a pool can make that untrue; then another wrong operator is found than the first, and
never a right one: the end of the search is an operator whose output is wrong and whose inputs are not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import shape_inference

from fer_export.diagnose.bisect.finding import Array, Value
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.reconvert import Road
from fer_export.diagnose.bisect.scan import Reference, between, compared
from fer_export.errors import FerExportError
from fer_export.runtimes import Pixels

#: The name that the cut model's one output gets: a name that every converter takes.
_CUT = "cut"


def cut(model: onnx.ModelProto, value: str) -> onnx.ModelProto:
    """The part of a model that leads to a value, which is its only output, under the name `cut`."""
    part = shape_inference.infer_shapes(model)
    nodes, _ = between(model, value, ())
    used = {name for node in nodes for name in node.input}
    kind = next(entry for entry in (*part.graph.value_info, *part.graph.output) if entry.name == value)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del part.graph.node[:], part.graph.output[:], part.graph.value_info[:], part.graph.initializer[:]
    del part.metadata_props[:]
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(kept)
    part.graph.output.append(kind)
    for node in part.graph.node:
        node.input[:] = [_CUT if name == value else name for name in node.input]
        node.output[:] = [_CUT if name == value else name for name in node.output]
    part.graph.output[0].name = _CUT
    return part


def search(
    reference: Reference,
    road: Road,
    output: str,
    pixels: Pixels,
    *,
    started: Callable[[str], object] = lambda step: None,
) -> tuple[Value | None, int]:
    """The operator that goes wrong on the way to an output.

    Args:
        output: that is wrong where the whole model goes down the road.
        started: told each value before it is tried.

    Returns:
        Its value, or None where the output is right when it is the only one; and how many parts were
        sent down the road.
    """
    tried: dict[str, Value | None] = {}

    def compare(name: str) -> Value | None:
        if name not in tried:
            started(f"cutting at {name}")
            tried[name] = _at(reference, road, name, pixels)
        return tried[name]

    def wrong(name: str) -> bool | None:
        value = compare(name)
        return None if value is None else value.off

    end = output
    if not wrong(end):
        return None, len(tried)
    while True:
        end = _halved(_before(reference, end), wrong)
        _, inputs = between(reference.model, end, _before(reference, end)[:-1])
        earlier = [name for name in inputs if name in reference.values and name in _computed(reference) and wrong(name)]
        if not earlier:
            return compare(end), len(tried)
        end = earlier[0]


def _halved(order: list[str], wrong: Callable[[str], bool | None]) -> str:
    """The last of `order` is wrong; the first wrong one, if all behind it are."""
    right, found = -1, len(order) - 1
    while found - right > 1:
        middle = (right + found) // 2
        answer = wrong(order[middle])
        if answer is None:  # this part does not get through: leave it out
            del order[middle]
            found -= 1
        elif answer:
            found = middle
        else:
            right = middle
    return order[found]


def _before(reference: Reference, value: str) -> list[str]:
    """The floating-point values that a value depends on, and itself, in the model's order."""
    nodes, _ = between(reference.model, value, ())
    names = [name for node in nodes for name in node.output if name in reference.values]
    return [name for name in names if reference.values[name].dtype == np.float32 and reference.values[name].ndim]


def _computed(reference: Reference) -> set[str]:
    return {name for node in reference.model.graph.node for name in node.output}


def _at(reference: Reference, road: Road, name: str, pixels: Pixels) -> Value | None:
    part = cut(reference.model, name)
    shorter = road.ending_in(_CUT)
    with tempfile.TemporaryDirectory() as folder:
        try:
            answers, _ = shorter.read(shorter.make(part, Path(folder)), pixels)
        except FerExportError:
            return None
    got: dict[str, Array] = {name: in_onnx(answers[_CUT])}
    known = set(_before(reference, name)[:-1])
    return compared(reference, {**dict.fromkeys(known, np.zeros(0)), **got}, name)
