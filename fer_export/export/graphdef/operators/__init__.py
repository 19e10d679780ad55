"""The operator table's functions, grouped by file. Importing this package fills the table."""

from fer_export.export.graphdef.operators import (
    activation,
    convolution,
    elementwise,
    matmul,
    pooling,
    reduction,
    shape,
)

__all__ = ["activation", "convolution", "elementwise", "matmul", "pooling", "reduction", "shape"]
