"""This module holds a TensorFlow graph in memory: nodes, constants and signature.

Names and attributes follow tensorflow/core/framework/{graph,node_def,attr_value}.proto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int | None, ...]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DType:
    """Represent an attribute that holds a type: `DT_FLOAT`, `DT_INT32`, …"""

    name: str


FLOAT, INT32, BOOL = DType("DT_FLOAT"), DType("DT_INT32"), DType("DT_BOOL")
_OF_NUMPY = {"float32": FLOAT, "float64": FLOAT, "int32": INT32, "int64": INT32, "bool": BOOL}

#: What an attribute may hold. Lists are tuples of int, float or str.
Attribute = bool | int | float | str | DType | tuple[int, ...] | tuple[str, ...]


def dtype_of(array: Array) -> DType:
    """Return the TensorFlow type for a numpy array; 64-bit numbers are stored in 32 bits."""
    return _OF_NUMPY[array.dtype.name]


@dataclass(frozen=True)
class Node:
    """Represent one operation; an input is a node's name, or `name:k` for that node's output k > 0."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class TensorLayout:
    """Say where the graph holds an ONNX value, and how; the fields are those of `layout.Value`."""

    tensor: str
    permutation: tuple[int, ...]
    columns: Array | None = None
    dtype: DType = FLOAT


@dataclass
class Graph:
    """Hold the nodes in execution order, with the graph's inputs and outputs.

    Attributes:
        inputs, outputs: name → shape, with `None` for a free size; each name is also a node's name.
        constants: node name → array; the node of each has op `Const`.
        dtypes: the types of inputs and outputs that are not float32.
        values: ONNX value name → the tensor that holds it; values that were fused, folded or never read are missing.
    """

    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    values: dict[str, TensorLayout] = field(default_factory=dict)

    def consumers(self) -> Counter[str]:
        """Count how often each node's outputs are read; being an output of the graph counts as one more."""
        counts: Counter[str] = Counter(producer(name) for node in self.nodes for name in node.inputs)
        counts.update(list(self.outputs))
        return counts

    def operators(self) -> Counter[str]:
        """Count the nodes of each operator, without constants and placeholders."""
        return Counter(node.op for node in self.nodes if node.op not in ("Const", "Placeholder"))

    def prune(self) -> None:
        """Drop the nodes that no output depends on; inputs stay."""
        by_name = {node.name: node for node in self.nodes}
        alive: set[str] = set()
        open_names = [*self.outputs, *self.inputs]
        while open_names:
            name = open_names.pop()
            if name not in alive:
                alive.add(name)
                open_names += [producer(source) for source in by_name[name].inputs]
        self.nodes = [node for node in self.nodes if node.name in alive]
        self.constants = {name: array for name, array in self.constants.items() if name in alive}
        self.values = {name: layout for name, layout in self.values.items() if producer(layout.tensor) in alive}

    def forget(self, node: str) -> None:
        """Remove the ONNX values of a node that now computes something else."""
        self.values = {name: layout for name, layout in self.values.items() if producer(layout.tensor) != node}


def producer(tensor: str) -> str:
    """Return the node that makes a tensor: `split:1` → `split`."""
    return tensor.partition(":")[0]


def constant_node(name: str, array: Array) -> Node:
    """Return the `Const` node of an array that is kept in `Graph.constants`."""
    return Node(name, "Const", (), {"dtype": dtype_of(np.asarray(array))})
