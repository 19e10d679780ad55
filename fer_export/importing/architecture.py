"""This module builds the net that `--arch` names: a registered one, or the user's own code.

Naming code runs it: the file or module on the command line is imported, with all that it
imports itself. Nothing is ever imported because a checkpoint or a contract names it.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from fer_export.contract import Architecture
from fer_export.errors import InvalidInputError, UsageError, first_line
from fer_export.models import guess_architecture
from fer_export.models.building import build_architecture
from fer_export.models.torchvision_zoo import PREFIX

Argument = int | float | str | bool | tuple[int, ...]


def resolve(
    spec: str, arguments: Mapping[str, Argument], *, state: Mapping[str, Tensor], classes: int | None, channels: int
) -> tuple[nn.Module, Architecture]:
    """Build a net with fresh weights, float32, in eval mode.

    Args:
        spec: a registered name, `torchvision:NAME`, `path/to/file.py:factory` or `package.module:factory`;
            a factory is a function or a class that returns an `nn.Module`, or such a module itself.
        arguments: the factory's arguments.
        state: the weights; a registered architecture's `num_classes` is read from them where it is needed.
        classes: the number of labels; it is `num_classes` for a factory that requires one.
        channels: the number of channels of the pictures.

    Returns:
        The net, and its architecture for the contract, which names a file without its folder.

    Raises:
        InvalidInputError: the file, module or factory is missing, fails, or makes something other than a net.
        UsageError: `spec` has none of these forms.
    """
    if ":" not in spec or spec.startswith(PREFIX):
        if spec.endswith(".py"):
            raise _no_factory(spec, _import(spec))
        if "num_classes" not in arguments:
            found = guess_architecture.num_classes(spec, state) or classes
            arguments = {**({"num_classes": found} if found else {}), **arguments}
        architecture = Architecture(name=spec, arguments=dict(arguments))
        return build_architecture(architecture, channels).float().eval(), architecture
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise UsageError(f"--arch {spec}: it is file.py:factory, package.module:factory or a registered name")
    module = _import(place)
    factory = getattr(module, name, None)
    if factory is None:
        raise _no_factory(spec, module, name)
    if classes and "num_classes" not in arguments and "num_classes" in _required(factory):
        arguments = {**arguments, "num_classes": classes}
    net = factory if isinstance(factory, nn.Module) else _call(spec, place, factory, arguments)
    if not isinstance(net, nn.Module):
        raise InvalidInputError(f"{spec} makes a {type(net).__name__}, not a torch.nn.Module")
    file = Path(place).name if place.endswith(".py") else place
    return _bare(net).float().eval(), Architecture(name=f"{file}:{name}", arguments=dict(arguments))


def _bare(net: nn.Module) -> nn.Module:
    """Return the net itself, without a wrapper for several devices or for compilation."""
    while True:
        inner = net.module if isinstance(net, nn.DataParallel) else getattr(net, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return net
        net = inner


def _import(place: str) -> ModuleType:
    """Import a file, or a module from the path or the current folder.

    Raises:
        InvalidInputError: the file or module is missing, or fails.
    """
    if not place.endswith(".py"):
        with _failures(place), _first_on_path(Path.cwd()):
            return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="--arch path/to/net.py:factory")
    # The module gets another name, so that a user's net.py does not hide a module that other code imports.
    name = f"_fer_export_arch_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    with _failures(place), _first_on_path(path.parent):
        specification.loader.exec_module(module)
    return module


def _call(spec: str, place: str, factory: Any, arguments: Mapping[str, Argument]) -> Any:
    if not callable(factory):
        raise InvalidInputError(f"{spec} is a {type(factory).__name__}, and cannot be called to make a net")
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        signature = f"{factory.__name__}{inspect.signature(factory)}"
        raise InvalidInputError(f"{spec}: {first_line(error)}", hint=f"{signature}; --arch-arg NAME=VALUE") from error
    except ValueError:
        # Python cannot see this callable's signature, so it is called without this check.
        pass
    folder = Path(place).parent if place.endswith(".py") else Path.cwd()
    with _failures(spec), _first_on_path(folder):
        return factory(**arguments)


def _required(factory: Any) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [entry.name for entry in parameters if entry.default is entry.empty]


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Let modules beside a file be imported, as `python file.py` does."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Reduce whatever the user's code raises to one line with the place where it was raised."""
    try:
        yield
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_file() and not _library(frame.filename)]
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        raise InvalidInputError(f"{what} fails{where}: {type(error).__name__}: {first_line(error)}") from error


def _library(filename: str) -> bool:
    return filename == __file__ or "site-packages" in filename or filename == importlib.__file__


def _no_factory(spec: str, module: ModuleType, name: str = "") -> InvalidInputError:
    """Return the error for a factory that does not exist, with the names of those that do."""

    def own(value: object) -> bool:
        made_here = getattr(value, "__module__", None) == module.__name__
        return made_here and (inspect.isfunction(value) or _is_net(value))

    names = [key for key, value in vars(module).items() if own(value) and not key.startswith("_")]
    names.sort(key=lambda key: not _is_net(getattr(module, key)))
    near = difflib.get_close_matches(name, names, 1) or names[:4]
    place = spec if not name else spec.rpartition(":")[0]
    reason = f"{place} has no {name!r}" if name else f"--arch {spec} names a file, and not what in it makes the net"
    hint = " or ".join(f"--arch {place}:{key}" for key in near) or "it defines no class or function"
    return InvalidInputError(reason, hint=hint)


def _is_net(value: object) -> bool:
    return isinstance(value, nn.Module) or (inspect.isclass(value) and issubclass(value, nn.Module))
