"""The operator table: one small function for each ONNX operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_export.tfgraph.layout import Value
    from fer_export.tfgraph.node_context import Call

Function = Callable[["Call"], "Value | tuple[Value, ...]"]


@dataclass(frozen=True)
class Operator:
    """A function and what it understands.

    Attributes:
        name: of the ONNX operator, of the default domain.
        function: answers the operator's outputs.
        attributes: that it knows; any other one is an error.
        group: the file in `operators/` that it lives in.
        since: the oldest opset that the function is written for.
        restrictions: what is refused, in a few words each, for the table of operators.
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
