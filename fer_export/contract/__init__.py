"""This package holds the contract: all that Python, the exporters and the page must agree on about one model.

The contract is one frozen record that travels as JSON inside every artefact: in the checkpoint, in the ONNX file's
`metadata_props`, in `model.json`'s `userDefinedMetadata`. No later step guesses what it can
read here.

Coordinates, in all of this project: a picture of width W spans [0, W] in x, and pixel column j
covers [j, j + 1] with its centre at j + 0.5. The same holds for y, which points down.
"""

from fer_export.contract.contract import BY_LABEL, VERSION, BatchSize, Contract
from fer_export.contract.inputs import DType, Input, Normalization, PictureInput, ValuesInput
from fer_export.contract.record import Record
from fer_export.contract.records import (
    Architecture,
    Calibration,
    Cascade,
    Conversion,
    Converter,
    Crop,
    Golden,
    Hop,
    Metric,
    Output,
    Parity,
    Point,
    Training,
)
from fer_export.contract.tolerance import TOLERANCES, Tolerance, WeightsDType

#: The contract's key in ONNX `metadata_props` and in safetensors' metadata.
KEY = "fer_export.contract"

__all__ = [
    "BY_LABEL",
    "KEY",
    "TOLERANCES",
    "VERSION",
    "Architecture",
    "BatchSize",
    "Calibration",
    "Cascade",
    "Contract",
    "Conversion",
    "Converter",
    "Crop",
    "DType",
    "Golden",
    "Hop",
    "Input",
    "Metric",
    "Normalization",
    "Output",
    "Parity",
    "PictureInput",
    "Point",
    "Record",
    "Tolerance",
    "Training",
    "ValuesInput",
    "WeightsDType",
]
