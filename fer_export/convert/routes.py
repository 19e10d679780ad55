"""The roads, and where the artefacts of one model are made."""

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
    """Makes artefacts of one model when they are asked for, each once. Use it in a `with` statement.

    Args:
        loaded: the model.
        browser: where TF.js models are checked.
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
        """The process of an environment; it starts when it is first called."""
        return self._workers.setdefault(name, Worker(name))

    def end_workers(self) -> None:
        """End their processes: one that has failed may be in any state."""
        for worker in self._workers.values():
            worker.__exit__(None, None, None)
        self._workers.clear()

    def make(self, road: str) -> Path:
        """The artefact at the end of a road.

        Raises:
            Exception: whatever the road raised, now or when it was gone first.
        """
        if road not in self._made:
            try:
                self._made[road] = ROADS[road].make(self)
            except Exception as error:  # of whatever library
                self._made[road] = error
                self.end_workers()
        made = self._made[road]
        if isinstance(made, Exception):
            raise made
        return made

    def needed(self, road: str) -> Path:
        """The artefact of a road that another one sets out from; its refusal names the road.

        Raises:
            MissingDependencyError: because something is not installed.
            InvalidInputError: for any other reason.
        """
        try:
            return self.make(road)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"no {road}: {error.reason}", hint=error.hint) from error
        except Exception as error:
            raise InvalidInputError(f"no {road}: {reason(error)}") from error


@dataclass(frozen=True)
class Road:
    """A way from the checkpoint to an artefact.

    Attributes:
        kind: of the artefact, which says where it runs.
        make: makes it in the workshop's folder, by the exporter that the road's command calls.
        rounded: whether weights are rounded on the way. Not every model bears that, and an exporter that
            refuses one that does not has done its work; elsewhere it has found a fault.
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


#: By name, each behind those it sets out from.
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
