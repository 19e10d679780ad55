"""This module holds how far a runtime's outputs may lie from the reference's, by the type of the stored weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from fer_export.contract.record import Record

#: The type in which weights are stored. All runtimes compute with float32.
WeightsDType = Literal["float32", "float16", "uint8"]


class Tolerance(Record):
    """Hold the largest difference that parity and the page's self-test allow.

    A value of an output may differ from the reference by `value` · max(1, largest |reference| of that output / `unit`),
    where the maximum is over all pictures compared. `top1` is the share of pictures whose top class must be the same.
    """

    value: Annotated[float, Field(gt=0)]
    unit: Annotated[float, Field(gt=0)] = 1.0
    top1: Annotated[float, Field(ge=0, le=1)] = 1.0


#: Rounded weights change the model itself, which changes the numbers but hardly ever the top class. The unit of
#: uint8 is ten because its value was measured on logits of about that size.
TOLERANCES: Mapping[WeightsDType, Tolerance] = MappingProxyType(
    {
        "float32": Tolerance(value=1e-4, unit=1.0, top1=1.0),
        "float16": Tolerance(value=1e-2, unit=1.0, top1=0.99),
        "uint8": Tolerance(value=0.2, unit=10.0, top1=0.9),
    }
)
