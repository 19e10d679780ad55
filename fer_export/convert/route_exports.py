"""This module makes the artefacts of one model by every route, when they are asked for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from fer_export.convert import litert, onnx, saved_model, tensorflowjs, tfjs
from fer_export.convert.opset15 import made_again
from fer_export.convert.routes import Route
from fer_export.convert.saved_model import ENVIRONMENT
from fer_export.errors import InvalidInputError, MissingDependencyError, reason
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker


class RouteExports:
    """Make artefacts of one model, each once, with the exporters of the commands. Use it in a `with` statement.

    Args:
        loaded: the model's checkpoint.
        browser: the browser in which TF.js models are checked.
    """

    def __init__(self, loaded: Checkpoint, browser: Browser) -> None:
        self.loaded = loaded
        self.browser = browser
        self._workers: dict[str, Worker] = {}
        self._made: dict[Route, Path | Exception] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="fer-export-matrix-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_workers()
        shutil.rmtree(self.folder, ignore_errors=True)

    def worker(self, name: str) -> Worker:
        """Return the process of an environment; it starts with its first call."""
        return self._workers.setdefault(name, Worker(name))

    def end_workers(self) -> None:
        """End the processes of all environments, since one that has failed may be in any state."""
        for worker in self._workers.values():
            worker.__exit__(None, None, None)
        self._workers.clear()

    def export(self, route: Route) -> Path:
        """Return the artefact at the end of a route.

        Raises:
            Exception: whatever an exporter raised, now or when the route was first asked for.
        """
        if route not in self._made:
            try:
                self._made[route] = self._export(route)
            except Exception as error:  # each library raises its own types
                self._made[route] = error
                self.end_workers()
        made = self._made[route]
        if isinstance(made, Exception):
            raise made
        return made

    def _source(self, route: Route) -> Path:
        """Return the artefact that a route's last step converts; an error names the route that makes it.

        Raises:
            MissingDependencyError: something is not installed.
            InvalidInputError: the route failed for any other reason.
        """
        assert route.source is not None
        try:
            return self.export(route.source)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"no {route.source.name}: {error.reason}", hint=error.hint) from error
        except Exception as error:
            raise InvalidInputError(f"no {route.source.name}: {reason(error)}") from error

    def _export(self, route: Route) -> Path:
        target = self.folder / route.name
        match route.hop:
            case "onnx":
                path = target.with_suffix(".onnx")
                return onnx.export(self.loaded.module(), self.loaded.contract, path).path
            case "tfjs":
                loaded = load_onnx(self._source(route))
                return tfjs.export(
                    *loaded, target, browser=self.browser, weights=route.weights, without=route.without
                ).path
            case "saved_model":
                return self._saved_model(route, target)
            case "frozen":
                return self._source(route).with_suffix(".pb")
            case "litert":
                path = target.with_suffix(".tflite")
                return litert.export(self._source(route), path, worker=self.worker("tf")).path
            case "tensorflowjs":
                return tensorflowjs.export(
                    self._source(route), target, worker=self.worker("tf"), browser=self.browser, weights=route.weights
                ).path

    def _saved_model(self, route: Route, target: Path) -> Path:
        """Write a SavedModel and, for the direct converter, the frozen graph, which is a route of its own."""
        model, contract = load_onnx(self._source(route))
        converter = route.converter or "direct"
        return saved_model.export(
            model,
            contract,
            target,
            worker=self.worker(ENVIRONMENT[converter]),
            converter=converter,
            frozen=target.with_suffix(".pb") if converter == "direct" else None,
            opset15=made_again(self.loaded, contract) if converter == "onnx-tf" else None,
        ).path
