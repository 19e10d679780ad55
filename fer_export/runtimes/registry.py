"""This module holds the runtimes by name, and opens any artefact in one of them.

To add a runtime, put a file into this folder that registers an opener with `runtime`. The
command line, parity, the matrix and the bisection find it here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fer_export import runtimes
from fer_export.errors import UsageError
from fer_export.runtimes import Inputs, Outputs, Runtime

if TYPE_CHECKING:
    from fer_export.runtimes.tfjs import Browser
    from fer_export.tfenv.worker import Worker

Opener = Callable[[Path, "Resources"], AbstractContextManager[Runtime]]


class Resources:
    """Share one browser, and one process for each TensorFlow environment; each starts when it is first used.

    Use it in a `with` statement.

    Args:
        browser: a browser that is open already, and stays open; None starts one when needed.
        worker: a worker in the environment `tf`; None starts one when needed.
    """

    def __init__(self, browser: Browser | None = None, worker: Worker | None = None) -> None:
        self._browser, self._worker = browser, worker
        self._started = ExitStack()

    @property
    def browser(self) -> Browser:
        """Return the headless Chromium."""
        if self._browser is None:
            from fer_export.runtimes import tfjs

            self._browser = self._started.enter_context(tfjs.Browser())
        return self._browser

    @property
    def worker(self) -> Worker:
        """Return the process of the environment `tf`."""
        if self._worker is None:
            from fer_export.tfenv import worker

            self._worker = self._started.enter_context(worker.Worker("tf"))
        return self._worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.__exit__(kind, error, trace)


@dataclass(frozen=True)
class Engine:
    """Describe a registered runtime.

    Attributes:
        name: its name on the command line and in figures.
        kind: the kind of artefact that it runs, as `fer_export.formats.artefact.kind` names it.
        opener: opens an artefact of that kind.
        order: where several run one kind, the default is the one with the lowest number.
    """

    name: str
    kind: str
    opener: Opener
    order: int = 0


_ENGINES: dict[str, Engine] = {}


def runtime(name: str, kind: str, order: int = 0) -> Callable[[Opener], Opener]:
    """Register an opener under a name; see `Engine`."""

    def add(opener: Opener) -> Opener:
        if name in _ENGINES:
            raise ValueError(f"runtime {name} is registered twice")
        _ENGINES[name] = Engine(name, kind, opener, order)
        return opener

    return add


def engines(kind: str | None = None) -> list[Engine]:
    """Return all runtimes, or those for one kind of artefact, with the default first."""
    for module in pkgutil.iter_modules(runtimes.__path__):
        if module.name != "registry":
            importlib.import_module(f"{runtimes.__name__}.{module.name}")
    found = [each for each in _ENGINES.values() if kind is None or each.kind == kind]
    return sorted(found, key=lambda each: (each.order, each.name))


def names(kind: str | None = None) -> tuple[str, ...]:
    """Return the names of `engines`."""
    return tuple(each.name for each in engines(kind))


def engine(path: Path, name: str | None = None) -> Engine:
    """Return the runtime for an artefact: the named one, or the default for its kind.

    Raises:
        InvalidInputError: there is no artefact at the path.
        UsageError: no runtime has that name, or it does not run artefacts of this kind.
    """
    from fer_export.formats.artefact import kind

    fitting = engines(kind(path))
    if name is None:
        return fitting[0]
    found = next((each for each in fitting if each.name == name), None)
    if found is None:
        choice = ", ".join(each.name for each in fitting)
        raise UsageError(f"{path} does not run in {name}", hint=f"it runs in {choice}")
    return found


@contextmanager
def open_runtime(
    path: Path, resources: Resources, name: str | None = None, *, title: str | None = None
) -> Iterator[Runtime]:
    """Open any artefact for any number of rows, whatever its batch.

    Args:
        path: the artefact's path.
        resources: the browser and the TensorFlow process, which start only where they are needed.
        name: the runtime's name; None takes the default for the artefact's kind.
        title: the artefact's name in figures, to tell apart two that run in the same runtime.

    Raises:
        InvalidInputError, ContractError, MissingDependencyError: the artefact cannot be read or cannot be run here.
        UsageError: the runtime does not run artefacts of this kind.
    """
    from fer_export.formats.artefact import read_contract
    from fer_export.runtimes.fixed_batch import in_batches

    with engine(path, name).opener(path, resources) as opened:
        fitted = in_batches(opened, read_contract(path).fixed_batch)
        yield fitted if title is None else _Titled(fitted, title)


@dataclass(frozen=True)
class _Titled:
    """Give a runtime a name with its artefact's title, to tell apart two of the same runtime."""

    runtime: Runtime
    title: str

    @property
    def name(self) -> str:
        """Return the runtime's own name and the artefact's."""
        return f"{self.runtime.name} {self.title}"

    def __call__(self, inputs: Inputs) -> Outputs:
        """Run the artefact."""
        return self.runtime(inputs)
