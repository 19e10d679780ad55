"""Models that are open in this process, by number: SavedModel, frozen graph, LiteRT."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

Pictures = dict[str, Any]
#: The number of a model that was opened, and the batch that it insists on; None where that is free.
Opened = dict[str, int | None]

_OPEN: dict[int, Callable[[Pictures], dict[str, Any]]] = {}
_NUMBERS = itertools.count()


def open_saved_model(path: str) -> Opened:
    """Load a SavedModel."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    function = loaded.signatures["serving_default"]
    specs = function.structured_input_signature[1]

    def run(pictures: Pictures) -> dict[str, Any]:
        # `loaded` has to live as long as its function.
        _ = loaded
        named = _named(pictures, list(specs))
        answers = function(**{name: tf.cast(pixels, specs[name].dtype) for name, pixels in named.items()})
        return {key: value.numpy() for key, value in answers.items()}

    return _keep(run, next(iter(specs.values())).shape[0])


def open_frozen(path: str, inputs: list[str], outputs: list[str]) -> Opened:
    """Load a frozen graph, its inputs and outputs being nodes of these names."""
    # Its neighbour: this folder is no package in the worker's process.
    function, batch = importlib.import_module("saved_model").open_frozen(path, inputs, outputs)

    def run(pictures: Pictures) -> dict[str, Any]:
        named = _named(pictures, inputs)
        return {key: value.numpy() for key, value in function(named[name] for name in inputs).items()}

    return _keep(run, batch)


def open_litert(path: str) -> Opened:
    """Load a `.tflite` into LiteRT. Its inputs take the shape of what they are given, where their batch is free."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    details = runner.get_input_details()
    kinds = {name: detail["dtype"] for name, detail in details.items()}
    # LiteRT's shapes have -1 where a size is free.
    batch = int(next(iter(details.values()))["shape_signature"][0])

    def run(pictures: Pictures) -> dict[str, Any]:
        return dict(runner(**{name: part.astype(kinds[name]) for name, part in _named(pictures, list(kinds)).items()}))

    return _keep(run, batch if batch > 0 else None)


def run(number: int, pictures: Pictures) -> dict[str, Any]:
    """Outputs by name for [N, H, W, C] of each input by its name; of a single one by whatever name."""
    return _OPEN[number](pictures)


def close(number: int) -> None:
    """Forget a model."""
    del _OPEN[number]


def _named(pictures: Pictures, names: list[str]) -> Pictures:
    return dict(zip(names, pictures.values(), strict=True)) if len(names) == 1 else pictures


def _keep(run: Callable[[Pictures], dict[str, Any]], batch: int | None) -> Opened:
    number = next(_NUMBERS)
    _OPEN[number] = run
    return {"number": number, "batch": batch}
