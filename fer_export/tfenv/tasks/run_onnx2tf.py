"""This module runs onnx2tf: ONNX → a Keras model with channels last → SavedModel."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

import tensorflow as tf


def convert(
    model: str,
    directory: str,
    entries: list[dict[str, Any]],
    outputs: list[str],
    shapes: list[list[int | None]],
    contract: str,
) -> str:
    """Write a SavedModel of an ONNX file, with its outputs in the order of `outputs`.

    Args:
        shapes: the outputs' sizes, channels first, without the batch.

    Returns:
        The version of onnx2tf.
    """
    import onnx2tf

    keras = onnx2tf.convert(
        input_onnx_file_path=model,
        # onnx2tf makes this folder although it saves nothing.
        output_folder_path=directory,
        # onnxsim is not installed, and onnx2tf would start it three times.
        not_use_onnxsim=True,
        # onnx2tf would also write two .tflite files.
        disable_model_save=True,
        non_verbose=True,
    )
    # This folder is not a package in the worker's process.
    neighbour = importlib.import_module("saved_model")
    module = tf.Module()
    module.keras = keras
    # onnx2tf keeps ONNX's layout where it sees no channels, for example after an embedding.
    untouched = [
        len(shape) > 1 and list(output.shape[1:]) == shape != [*shape[1:], shape[0]]
        for output, shape in zip(keras.outputs, shapes, strict=True)
    ]

    def answer(*pictures: Any) -> dict[str, Any]:
        fed = neighbour.cast(pictures, keras.inputs)
        answers = keras(fed if len(fed) > 1 else fed[0])
        listed = answers if isinstance(answers, list | tuple) else [answers]
        return {
            name: neighbour.channels_last(tensor) if first else tensor
            for name, tensor, first in zip(outputs, listed, untouched, strict=True)
        }

    neighbour.write(module, answer, directory, entries, contract)
    return metadata.version("onnx2tf")
