"""This module makes an artefact again from its ONNX model, by the same route and without a parity check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from fer_export.contract import Contract, Converter
from fer_export.convert.routes import Route, route_of
from fer_export.diagnose.bisect import differences, tfjs_values
from fer_export.diagnose.bisect.differences import Differences
from fer_export.diagnose.bisect.finding import Array
from fer_export.formats.artefact import Kind
from fer_export.runtimes import Inputs, Outputs, typed
from fer_export.runtimes.tensorflow import ends_of
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker

#: At most this many tensors are read at once; those of a large net have some megabytes each.
_AT_ONCE = 16


@dataclass(frozen=True)
class Reconversion:
    """Convert models by an artefact's own route, and run artefacts of its kind.

    Attributes:
        kind: the kind of artefact.
        contract: the artefact's contract; `conversion` gives its route.
        worker: a worker in the environment `tf`.
        clean: another one that has not converted yet: onnx2tf names layers by a count over all conversions in its
            process.
        older: a worker in the environment `onnx-tf`.
        backend: the backend of TF.js.
    """

    kind: Kind
    contract: Contract
    worker: Worker
    clean: Worker
    older: Worker
    browser: Browser
    backend: str

    @property
    def route(self) -> Route:
        """Return the artefact's route."""
        return route_of(self.contract, self.kind)

    def make(self, model: onnx.ModelProto, folder: Path) -> Path:
        """Convert a model by the artefact's route.

        Args:
            model: the model to convert; for onnx-tf it is in opset 15.
            folder: an empty folder.

        Returns:
            The artefact, in that folder.

        Raises:
            InvalidInputError, UnsupportedOperatorError: the converter fails.
            MissingDependencyError: the environment onnx-tf is missing.
        """
        contract = self.contract.but(graph_sha256=None, parity=(), golden=())
        workers: dict[Converter | None, Worker] = {"onnx2tf": self.clean, "onnx-tf": self.older}
        converting = workers.get(self.route.converter, self.worker)
        return self.route.convert(model, contract, folder, converting=converting, worker=self.worker)

    def ending_in(self, output: str) -> Reconversion:
        """Return the same for a model with only that output."""
        ends = [{"name": output, "shape": (), "meaning": "a value on the way"}]
        # The names in this model do not matter, so it needs no clean process.
        return replace(
            self, clean=self.worker, contract=self.contract.but(outputs=ends, labels=(), golden=(), parity=())
        )

    def tensor_names(self, path: Path) -> list[str]:
        """Return the names of the tensors that an artefact of this kind computes."""
        if self.route.kind == "tfjs":
            return tfjs_values.tensor_names(path)
        found: list[str] = self.worker.call("values.tensor_names", **self._named(path))
        return found

    def run(self, path: Path, inputs: Inputs, names: Sequence[str] = ()) -> tuple[Outputs, dict[str, Array]]:
        """Run an artefact of this kind on inputs [N, …, C] by name.

        Args:
            names: the names of inner tensors to read.

        Returns:
            Its outputs, channels last, and those tensors in their own layout.

        Raises:
            InvalidInputError, ParityError: the artefact cannot be run.
        """
        fed = {name: typed(part) for name, part in inputs.items()}
        answers: Outputs = {}
        arrays: dict[str, Array] = {}
        for start in range(0, max(1, len(names)), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            if self.route.kind == "tfjs":
                answers, found = tfjs_values.read_tensors(
                    path, inputs, part, browser=self.browser, backend=self.backend
                )
            else:
                reply = self.worker.call("values.tensor_values", fed=fed, names=list(part), **self._named(path))
                answers, found = reply["outputs"], dict(zip(part, reply["tensors"], strict=True))
            arrays |= found
        return answers, arrays

    def differences(self, first: Path, second: Path) -> Differences:
        """List how a second artefact of this kind differs from a first one."""
        if self.route.kind == "tfjs":
            return differences.of_tfjs(first, second)
        named = self._named(first)
        del named["path"]
        return differences.of_answer(self.worker.call("values.differences", first=first, second=second, **named))

    def _named(self, path: Path) -> dict[str, object]:
        return {"path": path, "kind": self.route.kind, **ends_of(self.contract)}
