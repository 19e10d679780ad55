"""This module holds the routes from a checkpoint to each artefact, and makes the artefacts of one model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fer_export.contract import Converter, WeightsDType
from fer_export.convert import litert, onnx, saved_model, tensorflowjs, tfjs
from fer_export.convert.opset15 import made_again
from fer_export.convert.saved_model import ENVIRONMENT
from fer_export.errors import InvalidInputError, MissingDependencyError, reason
from fer_export.formats.artefact import Kind
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker


class Workshop:
    """Make the artefacts of one model when they are asked for, each once. Use it in a `with` statement.

    Args:
        loaded: the model's checkpoint.
        browser: the browser in which TF.js models are checked.
    """

    def __init__(self, loaded: Checkpoint, browser: Browser) -> None:
        self.loaded = loaded
        self.browser = browser
        self._workers: dict[str, Worker] = {}
        self._made: dict[str, Path | Exception] = {}

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

    def make(self, road: str) -> Path:
        """Return the artefact at the end of a route, and make it if it is not made yet.

        Raises:
            Exception: whatever the route raised, now or when it was first tried.
        """
        if road not in self._made:
            try:
                self._made[road] = ROADS[road].make(self)
            except Exception as error:  # each converter raises its own types
                self._made[road] = error
                self.end_workers()
        made = self._made[road]
        if isinstance(made, Exception):
            raise made
        return made

    def needed(self, road: str) -> Path:
        """Return the artefact that another route starts from; an error names the route that failed.

        Raises:
            MissingDependencyError: something is not installed.
            InvalidInputError: the route failed for any other reason.
        """
        try:
            return self.make(road)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"no {road}: {error.reason}", hint=error.hint) from error
        except Exception as error:
            raise InvalidInputError(f"no {road}: {reason(error)}") from error


@dataclass(frozen=True)
class Road:
    """Describe a way from the checkpoint to an artefact.

    Attributes:
        kind: the kind of the artefact, which decides the runtimes that it runs in.
        make: makes the artefact with the exporter that the route's command calls.
        rounded: whether weights are rounded on the way. Some models lose too much by that, and then a refusal by
            the exporter is right; on any other route it is a fault.
    """

    kind: Kind
    make: Callable[[Workshop], Path]
    rounded: bool = False


def _onnx(shop: Workshop) -> Path:
    return onnx.export(shop.loaded.module(), shop.loaded.contract, shop.folder / "model.onnx").path


def _tfjs(weights: WeightsDType) -> Callable[[Workshop], Path]:
    def make(shop: Workshop) -> Path:
        loaded = load_onnx(shop.needed("onnx"))
        return tfjs.export(*loaded, shop.folder / f"tfjs-{weights}", browser=shop.browser, weights=weights).path

    return make


def _saved_model(converter: Converter) -> Callable[[Workshop], Path]:
    def make(shop: Workshop) -> Path:
        model, contract = load_onnx(shop.needed("onnx"))
        return saved_model.export(
            model,
            contract,
            shop.folder / converter,
            worker=shop.worker(ENVIRONMENT[converter]),
            converter=converter,
            frozen=shop.folder / "direct.pb" if converter == "direct" else None,
            opset15=made_again(shop.loaded, contract) if converter == "onnx-tf" else None,
        ).path

    return make


def _frozen(shop: Workshop) -> Path:
    shop.needed("tf")
    return shop.folder / "direct.pb"


def _litert(shop: Workshop) -> Path:
    return litert.export(shop.needed("tf"), shop.folder / "model.tflite", worker=shop.worker("tf")).path


def _tensorflowjs(source: str) -> Callable[[Workshop], Path]:
    def make(shop: Workshop) -> Path:
        folder = shop.folder / f"tensorflowjs-{source}"
        return tensorflowjs.export(shop.needed(source), folder, worker=shop.worker("tf"), browser=shop.browser).path

    return make


#: The routes by name, each after those that it starts from.
ROADS = {
    "onnx": Road("onnx", _onnx),
    "tfjs": Road("tfjs", _tfjs("float32")),
    "tfjs-float16": Road("tfjs", _tfjs("float16"), rounded=True),
    "tfjs-uint8": Road("tfjs", _tfjs("uint8"), rounded=True),
    "tf": Road("saved_model", _saved_model("direct")),
    "frozen": Road("frozen", _frozen),
    "litert": Road("litert", _litert),
    "onnx2tf": Road("saved_model", _saved_model("onnx2tf")),
    "onnx-tf": Road("saved_model", _saved_model("onnx-tf")),
    "tf-tensorflowjs": Road("tfjs", _tensorflowjs("tf")),
    "onnx2tf-tensorflowjs": Road("tfjs", _tensorflowjs("onnx2tf")),
}
