"""Parity: the pictures it is measured on, the golden vectors, the measuring and the comparing."""

from fer_export.parity.measuring import (
    TOLERANCE,
    TOLERANCES,
    TOP1,
    UNITS,
    Figures,
    Refused,
    gate,
    going_on,
    measure,
)

__all__ = ["TOLERANCE", "TOLERANCES", "TOP1", "UNITS", "Figures", "Refused", "gate", "going_on", "measure"]
