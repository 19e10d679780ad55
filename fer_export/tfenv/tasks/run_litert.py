"""This module runs TensorFlow's converter from SavedModel to `.tflite`."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import tensorflow as tf


def convert(source: str, path: str) -> str:
    """Write a SavedModel's default signature as a `.tflite` of LiteRT's own operators.

    Returns:
        The version of ai-edge-litert, in which the file is then checked.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=["serving_default"])
    Path(path).write_bytes(converter.convert())
    return metadata.version("ai-edge-litert")
