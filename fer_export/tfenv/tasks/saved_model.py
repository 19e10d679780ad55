"""This module writes and reads SavedModels with one signature: inputs and outputs by name, channels last.

Arguments that several functions take:
    entries: name, shape and dtype of each input, `None` for a free size.
    contract: the contract's JSON, for `assets/contract.json`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Entry = dict[str, Any]


def version() -> str:
    """Return TensorFlow's version."""
    return str(tf.__version__)


def batch(source: str) -> int | None:
    """Return the batch that a SavedModel is fixed to; None where it is free."""
    given = tf.saved_model.load(source).signatures["serving_default"].structured_input_signature[1]
    size: int | None = next(iter(given.values())).shape[0]
    return size


def from_frozen(graph: str, directory: str, entries: list[Entry], outputs: list[str], contract: str) -> None:
    """Write a SavedModel from a frozen graph whose nodes have the names of inputs and outputs."""
    module = tf.Module()
    module.graph = _pruned(graph_of(graph), [entry["name"] for entry in entries], outputs)

    def answer(*pictures: Any) -> dict[str, Any]:
        # The direct writer's graph holds 64-bit integers as int32.
        return dict(zip(outputs, module.graph(*cast(pictures, module.graph.inputs)), strict=True))

    write(module, answer, directory, entries, contract)


def from_channels_first(source: str, directory: str, entries: list[Entry], outputs: list[str], contract: str) -> None:
    """Write onnx-tf's SavedModel again, since its own signature takes and returns channels first."""
    module = tf.Module()
    module.source = tf.saved_model.load(source)
    function = module.source.signatures["serving_default"]

    def answer(*pictures: Any) -> dict[str, Any]:
        first = {entry["name"]: _channels_first(each) for entry, each in zip(entries, pictures, strict=True)}
        answers = function(**first)
        return {name: channels_last(answers[name]) for name in outputs}

    write(module, answer, directory, entries, contract)


def freeze(source: str, path: str, entries: list[Entry], outputs: list[str]) -> None:
    """Write a SavedModel's signature as a frozen graph whose nodes have the names of inputs and outputs."""
    frozen, read, theirs = signature(source)
    with tf.Graph().as_default() as graph:
        pictures = {
            read[entry["name"]].name: tf.compat.v1.placeholder(entry["dtype"], entry["shape"], name=entry["name"])
            for entry in entries
        }
        answers = tf.graph_util.import_graph_def(
            frozen.graph.as_graph_def(),
            input_map=pictures,
            return_elements=[theirs[name].name for name in outputs],
            name="model",
        )
        for name, tensor in zip(outputs, answers, strict=True):
            tf.identity(tensor, name=name)
    Path(path).write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def open_frozen(
    path: str, inputs: list[str], outputs: list[str]
) -> tuple[Callable[[Iterable[Any]], dict[str, Any]], int | None]:
    """Return a frozen graph as a function from tensors, in the order of `inputs`, to outputs by name, and its batch."""
    function = _pruned(graph_of(path), inputs, outputs)
    size: int | None = function.inputs[0].shape[0]
    return lambda pictures: dict(zip(outputs, function(*cast(pictures, function.inputs)), strict=True)), size


def cast(pictures: Iterable[Any], inputs: Iterable[Any]) -> list[Any]:
    """Cast tensors to the types of a function's inputs."""
    return [tf.cast(picture, each.dtype) for picture, each in zip(pictures, inputs, strict=True)]


def signature(source: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a SavedModel's signature as one graph of constants, and its inputs and outputs by name."""
    loaded = tf.saved_model.load(source)  # the function's variables are valid only as long as this object lives
    function = loaded.signatures["serving_default"]
    flat = convert_variables_to_constants_v2(function)
    # tf.nest flattens a dict's values in the order of its sorted keys.
    inputs, outputs = sorted(function.structured_input_signature[1]), sorted(function.structured_outputs)
    return flat, dict(zip(inputs, flat.inputs, strict=True)), dict(zip(outputs, flat.outputs, strict=True))


def graph_of(path: str) -> Any:
    """Import all nodes of a frozen graph, to be pruned later."""
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(Path(path).read_bytes())
    return tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])


def by_name(wrapped: Any, names: list[str]) -> dict[str, Any]:
    """Return the first output of each named node of a graph."""
    return {name: wrapped.graph.get_tensor_by_name(f"{name}:0") for name in names}


def _pruned(wrapped: Any, inputs: list[str], outputs: list[str]) -> Any:
    return wrapped.prune(*(list(by_name(wrapped, ends).values()) for ends in (inputs, outputs)))


def write(
    module: Any, answer: Callable[..., dict[str, Any]], directory: str, entries: list[Entry], contract: str
) -> None:
    """Save a function of one tensor for each entry as the signature of a module that holds what the function needs."""
    signature = [tf.TensorSpec(entry["shape"], entry["dtype"], name=entry["name"]) for entry in entries]
    module.answer = tf.function(answer, input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        asset = Path(folder) / "contract.json"
        asset.write_text(contract, "utf-8")
        module.contract = tf.saved_model.Asset(str(asset))
        tf.saved_model.save(module, directory, signatures=module.answer)


def _channels_first(value: Any) -> Any:
    rank = len(value.shape)
    return tf.transpose(value, (0, rank - 1, *range(1, rank - 1))) if rank > 2 else value


def channels_last(value: Any) -> Any:
    """Return [N, C, …] as [N, …, C]; ranks under 3 stay as they are."""
    rank = len(value.shape)
    return tf.transpose(value, (0, *range(2, rank), 1)) if rank > 2 else value
