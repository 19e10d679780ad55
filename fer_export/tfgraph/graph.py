"""A TensorFlow graph in memory: nodes, constants, signature.

Names and attributes are those of tensorflow/core/framework/{graph,node_def,attr_value}.proto.
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
    """An attribute that holds a type: `DT_FLOAT`, `DT_INT32`, …"""

    name: str


FLOAT, INT32, BOOL = DType("DT_FLOAT"), DType("DT_INT32"), DType("DT_BOOL")
_OF_NUMPY = {"float32": FLOAT, "float64": FLOAT, "int32": INT32, "int64": INT32, "bool": BOOL}

#: What an attribute may hold. Lists are tuples of int, float or str.
Attribute = bool | int | float | str | DType | tuple[int, ...] | tuple[str, ...]


def dtype_of(array: Array) -> DType:
    """The TensorFlow type that holds a numpy array; 64 bits are held in 32."""
    return _OF_NUMPY[array.dtype.name]


@dataclass(frozen=True)
class Node:
    """One operation. An input is a node's name, or `name:k` for its output k > 0."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """Where the graph holds an ONNX value, and how; `layout.Value` says what the fields mean."""

    tensor: str
    permutation: tuple[int, ...]
    columns: Array | None = None
    dtype: DType = FLOAT


@dataclass
class Graph:
    """Nodes in execution order.

    Attributes:
        inputs, outputs: name → shape, `None` for a free size; each is also a node's name.
        constants: node name → array; their nodes have op `Const`.
        dtypes: the types of inputs and outputs that are not float32.
        values: of the ONNX model, by name, those that a tensor holds; others are fused, folded or unread.
    """

    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    values: dict[str, Held] = field(default_factory=dict)

    def consumers(self) -> Counter[str]:
        """How often each node's outputs are read; the graph's own outputs count as one more."""
        counts: Counter[str] = Counter(producer(name) for node in self.nodes for name in node.inputs)
        counts.update(list(self.outputs))
        return counts

    def operators(self) -> Counter[str]:
        """How many nodes of each operator there are, constants and placeholders left out."""
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
        self.values = {name: held for name, held in self.values.items() if producer(held.tensor) in alive}

    def forget(self, node: str) -> None:
        """A node holds another value than it did: no ONNX value is to be looked for in it."""
        self.values = {name: held for name, held in self.values.items() if producer(held.tensor) != node}


def producer(tensor: str) -> str:
    """The node that makes a tensor: `split:1` → `split`."""
    return tensor.partition(":")[0]


def constant_node(name: str, array: Array) -> Node:
    """The `Const` node of an array that is kept beside the graph."""
    return Node(name, "Const", (), {"dtype": dtype_of(np.asarray(array))})
