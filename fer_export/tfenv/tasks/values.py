"""This module reads tensors inside models by name, for the bisection: SavedModel, frozen graph, LiteRT.

Arguments that all functions take:
    kind: `saved_model`, `frozen` or `litert`.
    inputs, outputs: the names of the model's ends, which a frozen graph does not record.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

#: Operators that compute nothing. TensorFlow writes Identity nodes around each function that it inlines.
_SILENT = ("Const", "Placeholder", "NoOp", "Identity")


def tensor_names(path: str, kind: str, inputs: list[str], outputs: list[str]) -> list[str]:
    """Return the names of the floating-point tensors that are computed, each node's first output."""
    if kind == "litert":
        interpreter = _interpreter(path)
        made = {index for operation in interpreter._get_ops_details() for index in operation["outputs"]}
        details = [detail for detail in interpreter.get_tensor_details() if detail["index"] in made]
        return [detail["name"] for detail in details if detail["dtype"] is np.float32]
    return [
        node.name for node in _graph(path, kind, inputs, outputs)[0].graph.get_operations() if _computes_float(node)
    ]


def tensor_values(
    path: str, kind: str, inputs: list[str], outputs: list[str], fed: dict[str, Any], names: list[str]
) -> dict[str, Any]:
    """Run a model on `fed`, rows [N, …, C] of each input by name, cast to the inputs' types.

    Returns:
        Its `outputs` by name, and in `tensors` the named ones, in the order of `names`.
    """
    if kind == "litert":
        return _read_litert(path, fed, names)
    import tensorflow as tf

    function, entries, ends = _graph(path, kind, inputs, outputs)
    wanted = [function.graph.get_tensor_by_name(name if ":" in name else f"{name}:0") for name in names]
    cast = [tf.cast(fed[name], entry.dtype) for name, entry in entries.items()]
    answers = function.prune(list(entries.values()), [*ends.values(), *wanted])(*cast)
    arrays = [answer.numpy() for answer in answers]
    return {"outputs": dict(zip(ends, arrays, strict=False)), "tensors": arrays[len(ends) :]}


def differences(first: str, second: str, kind: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """List how one model differs from another of the same kind, by the names of nodes and constants.

    Returns:
        `nodes`: for each one that is missing, new or changed, a list of its name and, for either model, its
        operator with its inputs, or None where it is missing. `constants`: for each one that is in both and
        differs, a list of its name, size, how many numbers differ, the largest difference (None where
        the shapes differ), and whether the numbers are the same in another order.
    """
    nodes, constants = zip(*(_content(path, kind, inputs, outputs) for path in (first, second)), strict=True)
    if kind == "litert" and nodes[0] != nodes[1]:
        constants = ({}, {})  # LiteRT numbers its constants, so with other nodes the same name can be another constant
    names = [name for name in nodes[0] if nodes[0][name] != nodes[1].get(name)]
    names += [name for name in nodes[1] if name not in nodes[0]]
    changed = [
        [name, *_apart(array, constants[1][name])]
        for name, array in constants[0].items()
        if name in constants[1] and not np.array_equal(array, constants[1][name])
    ]
    listed = [[name, *((side.get(name) or [None])[0] for side in nodes)] for name in names]
    return {"nodes": listed, "constants": changed}


def _graph(path: str, kind: str, inputs: list[str], outputs: list[str]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a function with all of its nodes in one graph, and its inputs and outputs by name."""
    # The file beside this one is imported by name, since this folder is not a package in the worker's process.
    module = importlib.import_module("saved_model")
    if kind == "saved_model":
        found: tuple[Any, dict[str, Any], dict[str, Any]] = module.signature(path)
        return found
    flat = module.graph_of(path)
    return flat, module.by_name(flat, inputs), module.by_name(flat, outputs)


def _computes_float(node: Any) -> bool:
    return node.type not in _SILENT and bool(node.outputs) and node.outputs[0].dtype.name == "float32"


def _interpreter(path: str, fed: dict[str, Any] | None = None) -> Any:
    """Open LiteRT with its own kernels, since a delegate does not write the tensors inside what it runs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(path, experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
    placed = {index: fed[name] for name, index in _entries(interpreter).items()} if fed else {}
    for index, part in placed.items():
        interpreter.resize_tensor_input(index, list(part.shape))
    interpreter.allocate_tensors()
    kinds = {detail["index"]: detail["dtype"] for detail in interpreter.get_input_details()}
    for index, part in placed.items():
        interpreter.set_tensor(index, part.astype(kinds[index]))
    return interpreter


def _entries(interpreter: Any) -> dict[str, int]:
    """Return the index of each input by name."""
    details = interpreter.get_signature_runner("serving_default").get_input_details()
    return {name: int(detail["index"]) for name, detail in details.items()}


def _read_litert(path: str, fed: dict[str, Any], names: list[str]) -> dict[str, Any]:
    interpreter = _interpreter(path, fed)
    interpreter.invoke()
    runner = interpreter.get_signature_runner("serving_default")
    ends = {name: detail["index"] for name, detail in runner.get_output_details().items()}
    places = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    return {
        "outputs": {name: interpreter.get_tensor(index) for name, index in ends.items()},
        "tensors": [interpreter.get_tensor(places[name]) for name in names],
    }


def _content(path: str, kind: str, inputs: list[str], outputs: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each node with its operator, inputs and attributes, and each constant with its numbers."""
    if kind == "litert":
        return _content_litert(path)
    import tensorflow as tf

    nodes, constants = {}, {}
    for node in _graph(path, kind, inputs, outputs)[0].graph.get_operations():
        attributes = {name: str(value) for name, value in node.node_def.attr.items() if name != "value"}
        sources = [source.name.removesuffix(":0") for source in node.inputs]
        nodes[node.name] = [f"{node.type}({', '.join(sources)})", attributes]
        if node.type == "Const":
            array = tf.make_ndarray(node.get_attr("value"))
            if array.dtype.kind in "fiu":
                constants[node.name] = array
    return nodes, constants


def _content_litert(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    interpreter = _interpreter(path)
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details() if detail["name"]}
    nodes, made = {}, {int(entry["index"]) for entry in interpreter.get_input_details()}
    for operation in interpreter._get_ops_details():
        name = details[operation["outputs"][0]]["name"]
        made.update(int(index) for index in operation["outputs"])
        sources = [details[index]["name"] for index in operation["inputs"] if index in made]
        nodes[name] = [f"{operation['op_name']}({', '.join(sources)})", {}]
    fixed = {detail["name"]: index for index, detail in details.items() if index not in made}
    return nodes, {name: interpreter.get_tensor(index) for name, index in fixed.items()}


def _apart(first: Any, second: Any) -> list[Any]:
    if first.shape != second.shape:
        return [int(first.size), int(first.size), None, False]
    largest = float(np.abs(first.astype(np.float64) - second).max())
    same = bool(np.array_equal(np.sort(first, axis=None), np.sort(second, axis=None)))
    return [int(first.size), int((first != second).sum()), largest, same]
