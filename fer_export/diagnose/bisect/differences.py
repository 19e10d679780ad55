"""This module lists how an artefact differs from the one that its route makes today, by nodes and constants."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from fer_export.diagnose.bisect.finding import Array
from fer_export.diagnose.bisect.tfjs_values import document

#: At most this many differences are listed.
_MOST = 4


@dataclass(frozen=True)
class Differences:
    """Hold the differences, in the form that `fer_export/tfenv/tasks/values.py` returns."""

    nodes: list[tuple[str, str | None, str | None]]
    constants: list[tuple[str, int, int, float | None, bool]]

    def changed(self, constants: Iterable[str]) -> bool:
        """Return whether one of these constants is among those that differ; a scope may precede its name."""
        wanted = tuple(constants)
        return any(name in wanted or name.endswith(tuple(f"/{one}" for one in wanted)) for name, *_ in self.constants)

    def notes(self, made: str) -> list[str]:
        """Return the differences as sentences; `made` names the first of the two artefacts."""
        sentences = [_of_constant(*constant) for constant in self.constants]
        sentences += [_of_node(made, *node) for node in self.nodes]
        # TensorFlow puts these scopes before every name in a SavedModel's function.
        sentences = [re.sub(r"(?:Stateful)?PartitionedCall/", "", sentence) for sentence in sentences]
        if not sentences:
            return [f"the file is {made}, number for number: what is wrong is made there, or by the runtime"]
        more = len(sentences) - _MOST
        return sentences[:_MOST] + ([f"and {more} more nodes or constants differ from {made}"] if more > 0 else [])


Nodes = dict[str, tuple[str, Any]]


def of_onnx(first: onnx.ModelProto, second: onnx.ModelProto) -> Differences:
    """Compare two ONNX models."""
    return _compared(*(_onnx_content(model) for model in (first, second)))


def of_tfjs(first: Path, second: Path) -> Differences:
    """Compare two folders of TF.js graph models."""
    return _compared(*(_tfjs_content(folder) for folder in (first, second)))


def of_answer(answer: Mapping[str, Any]) -> Differences:
    """Convert the result of the worker's task `values.differences`."""
    nodes = [(name, before, after) for name, before, after in answer["nodes"]]
    return Differences(nodes, [(name, size, count, by, same) for name, size, count, by, same in answer["constants"]])


Content = tuple[Nodes, dict[str, Array]]


def _compared(first: Content, second: Content) -> Differences:
    (nodes, constants), (others, other_constants) = first, second
    names = [name for name in nodes if nodes[name] != others.get(name)] + [name for name in others if name not in nodes]
    changed = [
        (name, *_apart(array, other_constants[name]))
        for name, array in constants.items()
        if name in other_constants and not np.array_equal(array, other_constants[name])
    ]
    return Differences([(name, _text(nodes.get(name)), _text(others.get(name))) for name in names], changed)


def _apart(first: Array, second: Array) -> tuple[int, int, float | None, bool]:
    if first.shape != second.shape:
        return first.size, first.size, None, False
    same = np.array_equal(np.sort(first, axis=None), np.sort(second, axis=None))
    return first.size, int((first != second).sum()), float(np.abs(first.astype(np.float64) - second).max()), same


def _text(node: tuple[str, Any] | None) -> str | None:
    return None if node is None else node[0]


def _onnx_content(model: onnx.ModelProto) -> Content:
    nodes: Nodes = {}
    for node in model.graph.node:
        attributes = {attribute.name: attribute.SerializeToString(deterministic=True) for attribute in node.attribute}
        text = f"{node.op_type}({', '.join(node.input)}) -> {', '.join(node.output)}"
        nodes[node.name or node.output[0]] = text, attributes
    return nodes, {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _tfjs_content(folder: Path) -> Content:
    found = document(folder)
    nodes: Nodes = {}
    for node in found["modelTopology"]["node"]:
        attributes = {name: value for name, value in node.get("attr", {}).items() if name != "value"}
        nodes[node["name"]] = f"{node['op']}({', '.join(node.get('input', []))})", attributes
    return nodes, dict(_weights(found, folder))


def _weights(found: dict[str, Any], folder: Path) -> Iterator[tuple[str, Array]]:
    """Yield the weights as TF.js computes with them, that is, with smaller types converted to float32."""
    for group in found["weightsManifest"]:
        payload = b"".join((folder / name).read_bytes() for name in group["paths"])
        start = 0
        for entry in group["weights"]:
            smaller = entry.get("quantization", {})
            kind = np.dtype(smaller.get("dtype", entry["dtype"]))
            count = math.prod(entry["shape"])
            array = np.frombuffer(payload, kind, count, start).reshape(entry["shape"])
            start += count * kind.itemsize
            if smaller:
                array = array.astype(np.float32) * smaller.get("scale", 1.0) + smaller.get("min", 0.0)
            yield entry["name"], array


def _of_constant(name: str, size: int, count: int, by: float | None, same: bool) -> str:
    if by is None:
        return f"constant {name} has another shape"
    order = ": the same numbers in another order" if same else ""
    return f"constant {name}: {count} of {size} numbers differ, by up to {by:.1e}{order}"


def _of_node(made: str, name: str, before: str | None, after: str | None) -> str:
    if after is None:
        return f"{name} is missing: {made} has {before} there"
    if before is None:
        return f"{name} is new: {after}"
    return f"{name} is {after}, and {made} has {before}" if before != after else f"{name}, {after}: other attributes"
