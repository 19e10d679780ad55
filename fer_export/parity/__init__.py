"""This package measures parity: its pictures, the golden vectors, the measuring and the comparing."""

from fer_export.parity.measuring import (
    Figures,
    Refused,
    gate,
    going_on,
    measure_parity,
)

__all__ = ["Figures", "Refused", "gate", "going_on", "measure_parity"]
