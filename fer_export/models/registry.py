"""This module is the registry of architectures; a file in this folder registers its factory with `register`."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

from fer_export import models
from fer_export.errors import InvalidInputError, first_line
from fer_export.models import torchvision_zoo

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
    """Return the registered architectures, sorted; `build` also takes `torchvision:NAME`, which is not listed here."""
    _discover()
    return sorted(_FACTORIES)


def build(name: str, **arguments: Any) -> nn.Module:
    """Make an architecture with fresh weights, without a download.

    Args:
        name: one of `names()`, or `torchvision:NAME` for any of torchvision's classifiers.
        arguments: `num_classes`, and the factory's own arguments.

    Raises:
        InvalidInputError: the architecture is unknown or does not take these arguments.
    """
    try:
        if name.startswith(torchvision_zoo.PREFIX):
            return torchvision_zoo.build(name.removeprefix(torchvision_zoo.PREFIX), **arguments)
        return _factory(name)(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInputError(f"architecture {name}: {first_line(error)}") from error


def defaults(name: str) -> dict[str, Any]:
    """Return the default arguments of a registered architecture.

    Raises:
        InvalidInputError: the architecture is unknown.
    """
    parameters = inspect.signature(_factory(name)).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


@cache
def _discover() -> None:
    """Import every file of the folder once; each registers its own factory."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")


def _factory(name: str) -> Factory:
    _discover()
    if name not in _FACTORIES:
        near = difflib.get_close_matches(name, names(), 1)
        known = f"known: {', '.join(names())}, {torchvision_zoo.PREFIX}NAME"
        raise InvalidInputError(
            f"no architecture is named {name!r}", hint=f"did you mean {near[0]}?" if near else known
        )
    return _FACTORIES[name]
