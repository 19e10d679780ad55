"""This module runs TensorFlow's own converter from SavedModel to TF.js."""

from __future__ import annotations

from importlib import metadata
from typing import Any


def convert(source: str, directory: str, weights: str) -> dict[str, Any]:
    """Run `tensorflowjs_converter` on a SavedModel's default signature.

    Args:
        source: the SavedModel's folder.
        directory: the folder for `model.json` and its shards.
        weights: float32, float16 or uint8.

    Returns:
        The converter's `version`, and in `tensors` the name of each output's tensor, by output name.
    """
    import tensorflow as tf
    from tensorflowjs.converters import converter

    settings = [
        "--input_format=tf_saved_model",
        "--output_format=tfjs_graph_model",
        "--signature_name=serving_default",
        "--saved_model_tags=serve",
        f"--weight_shard_size_bytes={4 * 1024 * 1024}",
    ]
    if weights != "float32":
        settings.append(f"--quantize_{weights}=*")
    converter.convert([*settings, source, directory])
    function = tf.saved_model.load(source).signatures["serving_default"]
    # tf.nest flattens a dict's values in the order of its sorted keys.
    tensors = zip(sorted(function.structured_outputs), function.outputs, strict=True)
    return {"version": metadata.version("tensorflowjs"), "tensors": {name: tensor.name for name, tensor in tensors}}
