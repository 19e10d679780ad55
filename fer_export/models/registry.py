"""The model zoo: an architecture file registers its factory, and that is all it takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from fer_export.errors import InvalidInputError

Factory = Callable[..., nn.Module]
_FACTORIES: dict[str, Factory] = {}


def register(factory: Factory) -> Factory:
    """Register a factory under its own name: it takes `num_classes` and its own keyword arguments.

    The module it makes maps normalised pictures [N, C, H, W] to logits [N, classes].
    """
    name = factory.__name__
    if name in _FACTORIES:
        raise ValueError(f"architecture {name} is registered twice")
    _FACTORIES[name] = factory
    return factory


def names() -> list[str]:
    """The registered architectures, sorted."""
    return sorted(_FACTORIES)


def build(name: str, **arguments: Any) -> nn.Module:
    """Make an architecture with fresh weights.

    Raises:
        InvalidInputError: no such architecture, or arguments that it does not take.
    """
    if name not in _FACTORIES:
        near = difflib.get_close_matches(name, names(), 1)
        raise InvalidInputError(
            f"no architecture is named {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(names())}",
        )
    try:
        return _FACTORIES[name](**arguments)
    except TypeError as error:
        raise InvalidInputError(f"architecture {name}: {error}") from error
