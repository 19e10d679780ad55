"""Models that are open in this process, by number: SavedModel, frozen graph, LiteRT."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

Pictures = dict[str, Any]

_OPEN: dict[int, Callable[[Pictures], dict[str, Any]]] = {}
_NUMBERS = itertools.count()


def open_saved_model(path: str) -> int:
    """Load a SavedModel; answers its number."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    function = loaded.signatures["serving_default"]
    names = list(function.structured_input_signature[1])

    def run(pictures: Pictures) -> dict[str, Any]:
        # `loaded` has to live as long as its function.
        _ = loaded
        answers = function(**{name: tf.constant(pixels) for name, pixels in _named(pictures, names).items()})
        return {key: value.numpy() for key, value in answers.items()}

    return _keep(run)


def open_frozen(path: str, inputs: list[str], outputs: list[str]) -> int:
    """Load a frozen graph, its inputs and outputs being nodes of these names; answers its number."""
    import tensorflow as tf

    # Its neighbour: this folder is no package in the worker's process.
    function = importlib.import_module("saved_model").open_frozen(path, inputs, outputs)

    def run(pictures: Pictures) -> dict[str, Any]:
        named = _named(pictures, inputs)
        return {key: value.numpy() for key, value in function(tf.constant(named[name]) for name in inputs).items()}

    return _keep(run)


def open_litert(path: str) -> int:
    """Load a `.tflite` into LiteRT; answers its number. Its inputs take the shape of what they are given."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    names = list(runner.get_input_details())
    return _keep(lambda pictures: dict(runner(**_named(pictures, names))))


def run(number: int, pictures: Pictures) -> dict[str, Any]:
    """Outputs by name for float32 [N, H, W, C] of each input by its name; of a single one by whatever name."""
    return _OPEN[number](pictures)


def close(number: int) -> None:
    """Forget a model."""
    del _OPEN[number]


def _named(pictures: Pictures, names: list[str]) -> Pictures:
    return dict(zip(names, pictures.values(), strict=True)) if len(names) == 1 else pictures


def _keep(run: Callable[[Pictures], dict[str, Any]]) -> int:
    number = next(_NUMBERS)
    _OPEN[number] = run
    return number
