"""This module predicts the expression of each face in a picture: detection, alignment, classifier in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_export.contract import Cascade, Contract
from fer_export.contract.face_classifier import PROBABILITIES, check_face_classifier
from fer_export.data.fer2013 import cache_folder
from fer_export.errors import InvalidInputError, UsageError
from fer_export.faces.align import crop
from fer_export.faces.cascade import DEFAULT, detect
from fer_export.faces.face import Box, Landmarks
from fer_export.faces.photo import Picture, as_photo
from fer_export.formats.model import Model, Source, as_model, load
from fer_export.runtimes import single
from fer_export.runtimes.fixed_batch import in_batches
from fer_export.runtimes.onnxruntime import OnnxRuntime


@dataclass(frozen=True)
class Prediction:
    """Hold a face and the expression that the model reads in it.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the upright picture; it may extend a little over the edge.
        landmarks: left eye, right eye, nose, left and right mouth corner, as seen in the picture, in its pixels.
        score: the detector's probability that this is a face, 0–1.
        label: the most probable label.
        probabilities: the probability of each label, in the model's order; they sum to 1.
    """

    box: Box
    landmarks: Landmarks | None
    score: float
    label: str
    probabilities: dict[str, float]


class Predictor:
    """Find the faces in a picture and say which expression each shows; call it with one picture after the other.

    Faces are found by MTCNN, aligned by the rule in the model's contract, as on the page, and classified by
    onnxruntime. A checkpoint is exported to ONNX first, with parity, and kept in the cache folder.

    Args:
        model: a packaged model's name, a checkpoint, an ONNX file, or what `load` has returned.
        detector: the smallest face in pixels, the pyramid's factor and the thresholds of MTCNN.

    Raises:
        UsageError: the model does not classify aligned faces: it has several inputs, no picture, no rule
            for cropping or no labels; or it is neither a checkpoint nor an ONNX file.
        InvalidInputError, ContractError: the model cannot be read.
        MissingDependencyError: onnxruntime is not installed.
        ParityError: a checkpoint's ONNX file does not compute what torch computes.
    """

    def __init__(self, model: Source = "ferplus", *, detector: Cascade = DEFAULT) -> None:
        found = as_model(model)
        if found.kind not in ("torch", "onnx"):
            raise UsageError(f"{found.path} does not run in onnxruntime: a predictor takes checkpoints and ONNX files")
        check_face_classifier(found.contract, "a predictor")
        self.contract: Contract = found.contract
        self._detector = detector
        runtime = OnnxRuntime(found.path if found.kind == "onnx" else _exported(found))
        self._runtime = in_batches(runtime, found.contract.fixed_batch)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels, in the model's order."""
        return self.contract.labels

    def __call__(self, picture: Picture, *, near: Sequence[Box] | None = None) -> list[Prediction]:
        """Return the faces in a picture, the largest first; the list is empty where there is none.

        Args:
            picture: a path, a PIL picture, or uint8 RGB [H, W, 3].
            near: in a video, the boxes of the frame before: those faces are followed, and nothing else is searched.

        Raises:
            InvalidInputError: the picture cannot be read, or is not valid.
        """
        photo = as_photo(picture)
        faces = detect(photo, near=near, settings=self._detector)
        if not faces:
            return []
        crops = np.stack([crop(photo, face, self.contract).transpose(1, 2, 0) for face in faces])
        rows = self._runtime(single(self.contract, crops))[PROBABILITIES]
        return [
            Prediction(
                box=face.box,
                landmarks=face.landmarks,
                score=face.score,
                label=self.labels[int(row.argmax())],
                probabilities={label: float(value) for label, value in zip(self.labels, row, strict=True)},
            )
            for face, row in zip(faces, rows, strict=True)
        ]


def _exported(model: Model) -> Path | bytes:
    """Return the checkpoint's ONNX file, kept under its contract's hash, or its bytes where nothing can be kept."""
    from fer_export import __version__
    from fer_export.convert.exporting import export

    kept = cache_folder() / "onnx" / f"{__version__}-{model.contract.sha256}.onnx"
    try:
        if kept.is_file() and load(kept).contract.weights_sha256 == model.contract.weights_sha256:
            return kept
    except InvalidInputError:
        pass  # the kept file is damaged and is made again
    try:
        return export(model, kept, format="onnx", force=True).path
    except InvalidInputError:
        # Either the folder cannot be written, or the model cannot be exported, which is raised again below.
        from fer_export.convert import onnx

        made = onnx.to_onnx(model.module, model.contract, opset=onnx.DEFAULT_OPSET, batch=None)
        return bytes(made.SerializeToString())
