"""This module holds the operator table: one small function for each ONNX operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_export.tfgraph.layout import Value
    from fer_export.tfgraph.node_context import NodeContext

Function = Callable[["NodeContext"], "Value | tuple[Value, ...]"]


@dataclass(frozen=True)
class Operator:
    """Describe a function of the table and what it accepts.

    Attributes:
        name: the ONNX operator, of the default domain.
        function: returns the operator's output or outputs.
        attributes: the attributes that it knows; any other one is an error.
        group: the file in `operators/` that defines it.
        since: the oldest opset that the function is written for.
        restrictions: what the function refuses, in a few words each, for `OPERATORS.md`.
    """

    name: str
    function: Function
    attributes: frozenset[str]
    group: str
    since: int = 1
    restrictions: tuple[str, ...] = ()


TABLE: dict[str, Operator] = {}


def operator(
    *names: str, attributes: tuple[str, ...] = (), since: int = 1, restrictions: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Register a function for one or more ONNX operators of the default domain."""

    def add(function: Function) -> Function:
        group = function.__module__.rpartition(".")[2]
        for name in names:
            if name in TABLE:
                raise ValueError(f"operator {name} is registered twice")
            TABLE[name] = Operator(name, function, frozenset(attributes), group, since, restrictions)
        return function

    return add
