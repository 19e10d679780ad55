"""The operator table: one small function for each ONNX operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_export.export.graphdef.call import Call
    from fer_export.export.graphdef.layout import Value

Function = Callable[["Call"], "Value | tuple[Value, ...]"]


@dataclass(frozen=True)
class Operator:
    """A function and the attributes that it understands; any other attribute is an error."""

    name: str
    function: Function
    attributes: frozenset[str]


TABLE: dict[str, Operator] = {}


def operator(*names: str, attributes: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Register a function for one or more ONNX operators of the default domain."""

    def add(function: Function) -> Function:
        for name in names:
            if name in TABLE:
                raise ValueError(f"operator {name} is registered twice")
            TABLE[name] = Operator(name, function, frozenset(attributes))
        return function

    return add
