"""This module keeps models open in its process, by number: SavedModel, frozen graph, LiteRT."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

Inputs = dict[str, Any]
#: The number of a model that was opened, and the batch that it is fixed to; None where that is free.
Opened = dict[str, int | None]

_OPEN: dict[int, Callable[[Inputs], dict[str, Any]]] = {}
_NUMBERS = itertools.count()


def open_saved_model(path: str) -> Opened:
    """Load a SavedModel."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    function = loaded.signatures["serving_default"]
    specs = function.structured_input_signature[1]

    def run(inputs: Inputs) -> dict[str, Any]:
        # `loaded` has to live as long as its function.
        _ = loaded
        answers = function(**{name: tf.cast(part, specs[name].dtype) for name, part in inputs.items()})
        return {key: value.numpy() for key, value in answers.items()}

    return _keep(run, next(iter(specs.values())).shape[0])


def open_frozen(path: str, inputs: list[str], outputs: list[str]) -> Opened:
    """Load a frozen graph whose inputs and outputs are nodes of these names."""
    # The file beside this one is imported by name, since this folder is not a package in the worker's process.
    function, batch = importlib.import_module("saved_model").open_frozen(path, inputs, outputs)

    def run(fed: Inputs) -> dict[str, Any]:
        return {key: value.numpy() for key, value in function(fed[name] for name in inputs).items()}

    return _keep(run, batch)


def open_litert(path: str) -> Opened:
    """Load a `.tflite` into LiteRT; where its batch is free, its inputs are resized to what they are given."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    details = runner.get_input_details()
    kinds = {name: detail["dtype"] for name, detail in details.items()}
    # LiteRT's shapes have -1 where a size is free.
    batch = int(next(iter(details.values()))["shape_signature"][0])

    def run(inputs: Inputs) -> dict[str, Any]:
        return dict(runner(**{name: part.astype(kinds[name]) for name, part in inputs.items()}))

    return _keep(run, batch if batch > 0 else None)


def run(number: int, inputs: Inputs) -> dict[str, Any]:
    """Compute the outputs by name for [N, …, C] of each input by its name."""
    return _OPEN[number](inputs)


def close(number: int) -> None:
    """Close a model."""
    del _OPEN[number]


def _keep(run: Callable[[Inputs], dict[str, Any]], batch: int | None) -> Opened:
    number = next(_NUMBERS)
    _OPEN[number] = run
    return {"number": number, "batch": batch}
