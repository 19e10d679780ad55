"""Parity: the pictures it is measured on, the golden vectors, the measuring and the comparing."""

from fer_export.parity.measuring import (
    Figures,
    Refused,
    gate,
    going_on,
    measure,
)

__all__ = ["Figures", "Refused", "gate", "going_on", "measure"]
