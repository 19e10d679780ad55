"""This module encodes weights: as float32, or smaller, in the encodings that TF.js's loader reverses.

https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts (`WeightsManifestEntry`)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fer_export.contract import WeightsDType
from fer_export.errors import InvalidInputError

#: Smaller tensors stay float32, such as biases and the first layer: they take little space and affect everything.
_SMALLEST = 1024


def encode(name: str, array: npt.NDArray[Any], weights: WeightsDType) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of a tensor and its `quantization` entry ({} where there is none).

    Float16 rounds to the nearest half; uint8 maps the tensor's range onto 256 steps such that zero
    is one of them (w = q · scale + min).

    Raises:
        InvalidInputError: float16 cannot hold a value.
    """
    if weights == "float32" or array.dtype != np.float32 or array.size < _SMALLEST:
        return array.tobytes(), {}
    if weights == "float16":
        halves = array.astype(np.float16)
        if not np.isfinite(halves).all():
            raise InvalidInputError(f"{name} holds values that float16 cannot", hint="--weights float32")
        return halves.tobytes(), {"quantization": {"dtype": "float16", "original_dtype": "float32"}}
    low, high = min(float(array.min()), 0.0), max(float(array.max()), 0.0)
    scale = (high - low) / 255 or 1.0
    low = round(low / scale) * scale
    steps = np.clip(np.round((array.astype(np.float64) - low) / scale), 0, 255).astype(np.uint8)
    quantization = {"dtype": "uint8", "min": low, "scale": scale, "original_dtype": "float32"}
    return steps.tobytes(), {"quantization": quantization}
