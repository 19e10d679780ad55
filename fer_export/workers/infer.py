"""Models that are open in this process, by number: SavedModel, frozen graph, LiteRT."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

_OPEN: dict[int, Callable[[Any], dict[str, Any]]] = {}
_NUMBERS = itertools.count()


def open_saved_model(path: str) -> int:
    """Load a SavedModel; answers its number."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    function = loaded.signatures["serving_default"]
    name = next(iter(function.structured_input_signature[1]))

    def run(pixels: Any) -> dict[str, Any]:
        # `loaded` has to live as long as its function.
        _ = loaded
        answers = function(**{name: tf.constant(pixels)})
        return {key: value.numpy() for key, value in answers.items()}

    return _keep(run)


def open_frozen(path: str, entry: str, outputs: list[str]) -> int:
    """Load a frozen graph, its input and outputs being nodes of these names; answers its number."""
    import tensorflow as tf

    # Its neighbour: this folder is no package in the worker's process.
    function = importlib.import_module("saved_model").open_frozen(path, entry, outputs)
    return _keep(lambda pixels: {key: value.numpy() for key, value in function(tf.constant(pixels)).items()})


def open_litert(path: str) -> int:
    """Load a `.tflite` into LiteRT; answers its number. Its input takes the shape of what it is given."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    name = next(iter(runner.get_input_details()))
    return _keep(lambda pixels: dict(runner(**{name: pixels})))


def run(number: int, pixels: Any) -> dict[str, Any]:
    """Outputs by name for float32 [N, H, W, C]."""
    return _OPEN[number](pixels)


def close(number: int) -> None:
    """Forget a model."""
    del _OPEN[number]


def _keep(run: Callable[[Any], dict[str, Any]]) -> int:
    number = next(_NUMBERS)
    _OPEN[number] = run
    return number
