"""This module holds the routes: the steps by which each kind of artefact is made from an ONNX file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import onnx

from fer_export.contract import Contract, Converter, Hop, WeightsDType
from fer_export.convert import litert, saved_model, tensorflowjs, tfjs
from fer_export.errors import ContractError
from fer_export.formats.artefact import Kind
from fer_export.formats.onnx import onnx_batch
from fer_export.formats.tfjs import write_tfjs
from fer_export.tfenv.worker import Worker
from fer_export.tfgraph import convert

_KINDS: dict[Hop, Kind] = {
    "onnx": "onnx",
    "tfjs": "tfjs",
    "saved_model": "saved_model",
    "frozen": "frozen",
    "litert": "litert",
    "tensorflowjs": "tfjs",
}


@dataclass(frozen=True)
class Route:
    """Describe a way from an ONNX file to an artefact.

    Attributes:
        hop: the last step, which writes the artefact.
        converter: the converter that makes the TensorFlow graph; None where there is no such graph.
        weights: the type in which the artefact stores its weights.
        without: the direct converter's passes that are left out for a TF.js model.
    """

    hop: Hop
    converter: Converter | None = None
    weights: WeightsDType = "float32"
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the route's name in the matrix."""
        match self.hop:
            case "onnx":
                return "onnx"
            case "tfjs":
                return "tfjs" if self.weights == "float32" else f"tfjs-{self.weights}"
            case "saved_model":
                return "tf" if self.converter == "direct" else str(self.converter)
            case "frozen" | "litert":
                return self.hop if self.converter == "direct" else f"{self.converter}-{self.hop}"
            case "tensorflowjs":
                return f"{Route('saved_model', self.converter).name}-tensorflowjs"

    @property
    def kind(self) -> Kind:
        """Return the kind of its artefact, which decides the runtimes for it."""
        return _KINDS[self.hop]

    @property
    def source(self) -> Route | None:
        """Return the route whose artefact the last step converts; None where that is the checkpoint."""
        if self.hop == "onnx":
            return None
        return Route("onnx") if self.hop in ("tfjs", "saved_model") else Route("saved_model", self.converter)

    @property
    def rounded(self) -> bool:
        """Return whether weights are rounded on the way.

        Some models lose too much by that, and then a refusal by the exporter is right; on any other route a refusal
        shows a fault.
        """
        return self.weights != "float32"

    @property
    def keeps_names(self) -> bool:
        """Return whether the artefact has the direct converter's tensor names, each for the value it stands for.

        LiteRT's converter and TensorFlow's own one to TF.js optimise the graph and rename tensors.
        """
        return self.converter == "direct" and self.hop in ("tfjs", "saved_model", "frozen")

    @property
    def passes(self) -> bool | Collection[str]:
        """Return the direct converter's rewriting passes on this route; graphs for TensorFlow get none."""
        return tfjs.passes_but(self.without) if self.hop == "tfjs" else False

    def convert(
        self, model: onnx.ModelProto, contract: Contract, folder: Path, *, converting: Worker, worker: Worker
    ) -> Path:
        """Convert a model by this route, without measuring parity.

        Args:
            model: the model to convert; for onnx-tf it is in opset 15.
            contract: the artefact's contract.
            folder: an empty folder.
            converting: a process in the converter's environment (`saved_model.ENVIRONMENT`).
            worker: a process in the environment `tf`, for the steps after the converter.

        Returns:
            The artefact, in that folder.

        Raises:
            InvalidInputError, UnsupportedOperatorError: a converter fails.
            MissingDependencyError: an environment is missing.
        """
        if self.hop == "onnx":
            path = folder / "model.onnx"
            path.write_bytes(model.SerializeToString())
            return path
        if self.hop == "tfjs":
            write_tfjs(convert(model, passes=self.passes), contract, folder, self.weights)
            return folder
        job = saved_model.Job.prepared(model, contract, onnx_batch(model), folder, converting)
        saved_model.CONVERT[self.converter or "direct"](job, model.SerializeToString())
        match self.hop:
            case "saved_model":
                return job.saved
            case "frozen":
                return saved_model.freeze(job, worker)
            case "litert":
                path = folder / "model.tflite"
                litert.convert(job.saved, path, worker=worker)
                return path
            case "tensorflowjs":
                directory = folder / "tensorflowjs"
                document, _ = tensorflowjs.convert(job.saved, directory, self.weights, worker=worker)
                tensorflowjs.embed(document, contract, directory)
                return directory


#: The routes by name, each after those that it starts from.
ROUTES = {
    route.name: route
    for route in (
        Route("onnx"),
        Route("tfjs", "direct"),
        Route("tfjs", "direct", "float16"),
        Route("tfjs", "direct", "uint8"),
        Route("saved_model", "direct"),
        Route("frozen", "direct"),
        Route("litert", "direct"),
        Route("saved_model", "onnx2tf"),
        Route("saved_model", "onnx-tf"),
        Route("tensorflowjs", "direct"),
        Route("tensorflowjs", "onnx2tf"),
    )
}


def route_of(contract: Contract, kind: Kind) -> Route:
    """Return the route by which an artefact of some kind was made, as its contract says.

    Raises:
        ContractError: the contract is a checkpoint's, or one of another kind of artefact.
    """
    made = contract.conversion
    route = Route(made.hop, made.converter, contract.weights_dtype, made.without) if made else None
    if route is None or route.kind != kind:
        said = f"as {route.kind}" if route else "by no conversion"
        raise ContractError(f"the contract says that its file was made {said}, and the file is {kind}")
    return route
