"""The same road once more: from an ONNX model to an artefact of the same kind, without a gate at its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from fer_export.contract import Contract, Converter
from fer_export.convert import saved_model, tensorflowjs, tfjs
from fer_export.diagnose.bisect import differences, tfjs_values
from fer_export.diagnose.bisect.differences import Differences
from fer_export.diagnose.bisect.finding import Array
from fer_export.formats.artefact import Kind
from fer_export.formats.onnx import onnx_batch
from fer_export.formats.tfjs import write_tfjs
from fer_export.runtimes import Answers, Pixels, by_input
from fer_export.runtimes.tensorflow import ends_of
from fer_export.runtimes.tfjs import Browser
from fer_export.tfenv.worker import Worker
from fer_export.tfgraph import convert

#: So many tensors are read at once: of a large net they are some megabytes each.
_AT_ONCE = 16


@dataclass(frozen=True)
class Road:
    """How an artefact was made and is run.

    Attributes:
        contract: of the artefact; `conversion` tells how it was made.
        worker: of the environment `tf`.
        clean: another one, that has converted nothing: onnx2tf counts the layers that it made in its
            process, and names them by that.
        older: of the environment `onnx-tf`.
        backend: of TF.js.
    """

    kind: Kind
    contract: Contract
    worker: Worker
    clean: Worker
    older: Worker
    browser: Browser
    backend: str

    @property
    def converter(self) -> Converter:
        """The converter from ONNX to TensorFlow, or to TF.js."""
        return self.contract.converter or "direct"

    @property
    def official(self) -> bool:
        """Whether TensorFlow's own converter wrote the TF.js model."""
        return self.contract.conversion is not None and self.contract.conversion.hop == "tensorflowjs"

    @property
    def keeps_names(self) -> bool:
        """Whether the direct converter's names are in the artefact, each for the value that the converter says."""
        optimised = self.official or self.kind == "litert"
        return self.converter == "direct" and not optimised

    @property
    def passes(self) -> bool | Collection[str]:
        """What the direct converter rewrites on this road: nothing of what TensorFlow gets."""
        return tfjs.passes_of(self.contract) if self.kind == "tfjs" else False

    def make(self, model: onnx.ModelProto, folder: Path) -> Path:
        """Send a model down this road.

        Args:
            model: of onnx-tf, in opset 15.
            folder: an empty one.

        Returns:
            The artefact, in that folder.

        Raises:
            InvalidInputError, UnsupportedOperatorError: the converter fails.
            MissingDependencyError: the environment onnx-tf is not there.
        """
        contract = self.contract.but(graph_sha256=None, parity=(), golden=())
        if self.kind == "tfjs" and not self.official:
            write_tfjs(convert(model, passes=self.passes), contract, folder, contract.weights_dtype)
            return folder
        scratch, saved, frozen = folder / "scratch", folder / "saved", folder / "frozen.pb"
        scratch.mkdir()
        entries = saved_model.entries_of(contract, onnx_batch(model))
        worker = {"direct": self.worker, "onnx2tf": self.clean, "onnx-tf": self.older}[self.converter]
        job = saved_model.Job(model, contract, entries, scratch, saved, frozen, worker)
        run = {"direct": saved_model.by_direct, "onnx2tf": saved_model.by_onnx2tf, "onnx-tf": saved_model.by_onnx_tf}
        run[self.converter](job, model.SerializeToString())
        return self._onwards(job)

    def _onwards(self, job: saved_model.Job) -> Path:
        """From the SavedModel, or the frozen graph that the direct converter writes before it."""
        if self.kind == "frozen":
            if not job.graph.is_file():
                self.worker.call(
                    "saved_model.freeze", source=job.saved, path=job.graph, entries=job.entries, outputs=job.outputs
                )
            return job.graph
        if self.kind == "litert":
            path = job.scratch / "model.tflite"
            self.worker.call("run_litert.convert", source=job.saved, path=path)
            return path
        if self.kind == "tfjs":
            folder, weights = job.scratch / "official", job.contract.weights_dtype
            answer = self.worker.call("run_tensorflowjs.convert", source=job.saved, directory=folder, weights=weights)
            document = tensorflowjs.read_document(folder)
            tensorflowjs.name_outputs(document, answer["tensors"])
            tensorflowjs.biases_of_rank_1(document, folder)
            tensorflowjs.embed(document, job.contract, folder)
            return folder
        return job.saved

    def ending_in(self, output: str) -> Road:
        """The same road for a model with that output alone."""
        ends = [{"name": output, "shape": (), "meaning": "a value on the way"}]
        # Its names do not matter, so that it needs no clean process.
        return replace(
            self, clean=self.worker, contract=self.contract.but(outputs=ends, labels=(), golden=(), parity=())
        )

    def tensors(self, path: Path) -> list[str]:
        """Names of the tensors that an artefact of this kind computes."""
        if self.kind == "tfjs":
            return tfjs_values.tensors(path)
        found: list[str] = self.worker.call("values.tensors", **self._named(path))
        return found

    def read(self, path: Path, pixels: Pixels, names: Sequence[str] = ()) -> tuple[Answers, dict[str, Array]]:
        """Run an artefact of this kind on [N, H, W, C], 0–255.

        Args:
            names: of tensors in it.

        Returns:
            Its outputs, channels last, and those tensors as they are.

        Raises:
            InvalidInputError, ParityError: it cannot be run.
        """
        pictures = by_input(pixels, self.contract.inputs[0].name)
        answers: Answers = {}
        arrays: dict[str, Array] = {}
        for start in range(0, max(1, len(names)), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            if self.kind == "tfjs":
                answers, found = tfjs_values.read(path, pixels, part, browser=self.browser, backend=self.backend)
            else:
                reply = self.worker.call("values.read", pictures=pictures, names=list(part), **self._named(path))
                answers, found = reply["outputs"], dict(zip(part, reply["tensors"], strict=True))
            arrays |= found
        return answers, arrays

    def differences(self, first: Path, second: Path) -> Differences:
        """What a second artefact of this kind has otherwise than a first one."""
        if self.kind == "tfjs":
            return differences.of_tfjs(first, second)
        named = self._named(first)
        del named["path"]
        return differences.of_answer(self.worker.call("values.differences", first=first, second=second, **named))

    def _named(self, path: Path) -> dict[str, object]:
        return {"path": path, "kind": self.kind, **ends_of(self.contract)}
