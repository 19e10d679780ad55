"""onnx2tf: ONNX → a Keras model with channels last → SavedModel."""

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
    """Write a SavedModel of an ONNX file; its outputs come in the order of `outputs`.

    Args:
        shapes: of the outputs, channels first, without the batch.

    Returns:
        The version of onnx2tf.
    """
    import onnx2tf

    keras = onnx2tf.convert(
        input_onnx_file_path=model,
        # It makes this folder even so.
        output_folder_path=directory,
        # It would start a program that is not installed, three times.
        not_use_onnxsim=True,
        # It would also write two .tflite files that nobody asked for.
        disable_model_save=True,
        non_verbose=True,
    )
    # This folder is no package in the worker's process.
    neighbour = importlib.import_module("saved_model")
    module = tf.Module()
    module.keras = keras
    # What it does not know to have channels, as behind an embedding, it leaves as it is in ONNX.
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
