"""onnx2tf: ONNX → a Keras model with channels last → SavedModel."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

import tensorflow as tf


def convert(model: str, directory: str, entries: list[dict[str, Any]], outputs: list[str], contract: str) -> str:
    """Write a SavedModel of an ONNX file; its outputs come in the order of `outputs`.

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
    module = tf.Module()
    module.keras = keras

    def answer(*pictures: Any) -> dict[str, Any]:
        answers = keras(list(pictures) if len(pictures) > 1 else pictures[0])
        listed = answers if isinstance(answers, list | tuple) else [answers]
        return dict(zip(outputs, listed, strict=True))

    # Its neighbour: this folder is no package in the worker's process.
    importlib.import_module("saved_model").write(module, answer, directory, entries, contract)
    return metadata.version("onnx2tf")
