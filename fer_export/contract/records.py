"""This module holds the records that a contract is made of, without its inputs and its tolerance."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, field_validator

from fer_export.contract.record import Integer, Record, Size, exact

Point = tuple[float, float]
#: The hop that writes an artefact: one for each format, and TensorFlow's own converter to TF.js beside ours.
Hop = Literal["onnx", "tfjs", "saved_model", "frozen", "litert", "tensorflowjs"]
#: The converter that makes a TensorFlow graph from an ONNX file: our own, or one of two others.
Converter = Literal["direct", "onnx2tf", "onnx-tf"]

#: A named argument of a factory of nets.
Argument = Annotated[int | float | str | bool | tuple[int, ...], AfterValidator(exact)]


class Architecture(Record):
    """Name an architecture and the arguments that its factory was called with.

    The name is a registered one, `torchvision:NAME`, or, for code outside this project, `file.py:factory` or
    `package.module:factory`. Such code is never imported just because a contract names it.
    """

    name: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Argument] = Field(default_factory=dict)

    @property
    def foreign(self) -> bool:
        """Return whether the architecture is code outside this project, which only its user can name again."""
        return ":" in self.name and not self.name.startswith("torchvision:")


class Crop(Record):
    """Say how a face gets from a photo onto the input grid.

    `template` holds where the five landmarks (left eye, right eye, nose, left and right mouth
    corner, as seen in the picture) go on the input grid, in pixels; a least-squares similarity
    (Umeyama 1991) maps the face there. Without landmarks, the square around the detector's box is used,
    enlarged by `margin` of its side. `sampling` names the rule in `fer_export/faces/sampling.py`.
    """

    template: tuple[Point, Point, Point, Point, Point]
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    sampling: Literal["area-bilinear/1"] = "area-bilinear/1"
    gray: Literal["bt601"] = "bt601"


class Cascade(Record):
    """Hold MTCNN's settings (Zhang et al. 2016), which are the same in Python and on the page."""

    stage: Literal["pnet", "rnet", "onet"]
    min_face: Annotated[float, Field(ge=12)] = 40.0
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)


class Output(Record):
    """Describe one named output; `shape` is without the batch, channels last as in TF.js, 0 for a free size."""

    name: Annotated[str, Field(min_length=1)]
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    meaning: str


class Training(Record):
    """Say where the weights come from.

    `synthetic` is true where a program drew the training data, so that the net knows nothing of the real world. The
    page warns of such models, and of no others.
    """

    data: str
    protocol: str
    recipe: str
    seed: Integer
    epochs: Integer
    note: str = ""
    synthetic: bool = False


class Metric(Record):
    """Hold one measured figure: what was measured, on which rows, by which protocol, over how many."""

    name: str
    value: float
    split: str
    protocol: str
    samples: Annotated[Integer, Field(ge=1)]


class Calibration(Record):
    """Hold the number that divides the logits before softmax, inside the graph (Guo et al. 2017), and its effect.

    `ece` is the expected calibration error, 0–1, over 15 bins of equal width: at temperature 1, and at
    temperatures fitted without the rows that they are measured on.
    """

    temperature: Annotated[float, Field(gt=0.01, lt=100)]
    ece_before: Annotated[float, Field(ge=0, le=1)]
    ece_after: Annotated[float, Field(ge=0, le=1)]
    split: str
    protocol: str
    samples: Annotated[Integer, Field(ge=1)]


class Golden(Record):
    """Hold one picture and torch's outputs for it, so that any runtime can test itself.

    `pixels` is base64 of uint8 in the order H, W, C; `outputs` are by name, flattened, channels last.
    """

    name: str
    height: Size
    width: Size
    pixels: str
    outputs: dict[str, tuple[float, ...]]

    @field_validator("pixels")
    @classmethod
    def _is_base64(cls, value: str) -> str:
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError(f"pixels are not base64: {error}") from error
        return value

    def image(self, channels: int) -> npt.NDArray[np.uint8]:
        """Return the picture as uint8 [H, W, C]."""
        raw = np.frombuffer(base64.b64decode(self.pixels), np.uint8)
        return raw.reshape(self.height, self.width, channels)


class Conversion(Record):
    """Say how an artefact was made.

    Attributes:
        hop: the hop that wrote this file.
        converter: what made the TensorFlow graph from the ONNX file; None where there is no such graph.
        without: the passes of the direct converter that were left out.
    """

    hop: Hop
    converter: Converter | None = None
    without: tuple[str, ...] = ()


class Parity(Record):
    """Hold what a hop measured when it wrote this artefact: a runtime against a reference.

    `max_abs` was at most `tolerance` · `scale`, where `scale` is max(1, largest |reference| / unit); see
    `contract/tolerance.py`. The first files of contract 1 have no `scale`, since they were checked against `tolerance`
    alone; for them the default of 1 is right.
    """

    runtime: str
    reference: str
    output: str
    max_abs: float
    rmse: float
    cosine: float
    top1: float | None = None
    samples: Integer
    tolerance: float
    scale: Annotated[float, Field(ge=1)] = 1.0
