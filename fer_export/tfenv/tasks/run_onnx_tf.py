"""This module runs onnx-tf 1.10: ONNX of opset 15 → SavedModel, channels first."""

from __future__ import annotations

from importlib import metadata


def convert(model: str, directory: str) -> str:
    """Write a SavedModel of an ONNX file, with inputs and outputs as in that file.

    Returns:
        The version of onnx-tf.
    """
    import onnx
    from onnx_tf.backend import prepare

    # Many of onnx-tf's operators take no 64-bit integers without auto_cast.
    prepare(onnx.load(model), auto_cast=True).export_graph(directory)
    return metadata.version("onnx-tf")
