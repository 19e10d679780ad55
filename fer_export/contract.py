"""The contract: all that Python, the exporters and the page must agree on about one model.

One frozen record travels as JSON inside every artefact: in the checkpoint, in the ONNX file's
`metadata_props`, in `model.json`'s `userDefinedMetadata`. Nothing downstream assumes what it can
read here.

Coordinates, everywhere in this project: a picture of width W spans [0, W] in x and pixel column j
covers [j, j + 1]; its centre is at j + 0.5. y likewise, downwards.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_export.errors import ContractError

VERSION = 1
#: The key of the contract in ONNX `metadata_props` and in safetensors' metadata.
KEY = "fer_export.contract"
#: Outputs with one value for each label; others hold whatever a net answers beside them.
BY_LABEL = ("probabilities", "logits")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Point = tuple[float, float]
Size = Annotated[int, Field(ge=1, le=4096)]
#: Of an input's numbers.
DType = Literal["float32", "int32", "int64", "bool"]


class Record(BaseModel):
    """A frozen record that takes no field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Architecture(Record):
    """An architecture by name, and the arguments its factory was called with.

    The name is a registered one, `torchvision:NAME`, or, of code outside this project, `file.py:factory` or
    `package.module:factory`. Such code is never imported because a contract says so.
    """

    name: Annotated[str, Field(min_length=1)]
    arguments: dict[str, int | float | str | bool | tuple[int, ...]] = {}

    @property
    def foreign(self) -> bool:
        """Whether it is code outside this project, which only its user can name again."""
        return ":" in self.name and not self.name.startswith("torchvision:")


class Input(Record):
    """An input: pictures as they are, 0–255. `None` for a free height or width.

    ONNX and torch take it as [N, C, H, W], TensorFlow and TF.js as [N, H, W, C]. `bgr` is blue first, as OpenCV
    reads pictures; `planes` are channels that are no colours. `values` are no picture and have no height or width:
    numbers [N, C, *sizes], as a vector [N, C], a signal [N, C, L] or a volume [N, C, D, H, W]; without channels one
    number alone, [N]. `range` is what parity is measured within. `dtype` is theirs in torch and ONNX: TF.js holds
    64-bit integers as int32.
    """

    name: str = "pixels"
    height: Size | None
    width: Size | None
    channels: Annotated[int, Field(ge=0)]
    color: Literal["gray", "rgb", "bgr", "planes", "values"]
    sizes: tuple[Size, ...] = ()
    range: tuple[float, float] = (0.0, 255.0)
    dtype: DType = "float32"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.channels != {"gray": 1, "rgb": 3, "bgr": 3}.get(self.color, self.channels):
            raise ValueError(f"{self.channels} channel(s) cannot be {self.color}")
        if (self.height is None) != (self.width is None):
            raise ValueError("height and width are both fixed or both free")
        if self.picture and (self.sizes or not 1 <= self.channels <= 1024):
            raise ValueError("a picture has 1 to 1024 channels, a height, a width and no other sizes")
        if self.sizes and not self.channels:
            raise ValueError("what has sizes has channels")
        if not self.picture and self.height is not None:
            raise ValueError("values have sizes, and no height and width")
        low, high = self.range
        if low > high:
            raise ValueError(f"a range goes from the lower end to the higher, and not from {low:g} to {high:g}")
        if self.dtype == "float32":
            return self
        if self.picture:
            raise ValueError(f"pictures are float32, and not {self.dtype}")
        lowest, highest = (0, 1) if self.dtype == "bool" else (-(2**31), 2**31 - 1)
        if not (low.is_integer() and high.is_integer() and lowest <= low and high <= highest):
            raise ValueError(f"a range of {self.dtype} has whole numbers from {lowest} to {highest}")
        return self

    @property
    def picture(self) -> bool:
        """Whether it has a height and a width, and pixels of 0–255."""
        return self.color != "values"

    @property
    def coloured(self) -> bool:
        """Whether it is what a crop of a photo gives: gray, RGB or BGR."""
        return self.color not in ("planes", "values")

    @property
    def free(self) -> bool:
        """Whether it is a picture of any size."""
        return self.picture and self.height is None

    @property
    def axes(self) -> tuple[int | None, ...]:
        """Sizes without the batch, channels first; `None` for a free one."""
        sizes = (self.height, self.width) if self.picture else self.sizes
        return (self.channels, *sizes) if self.channels else ()

    @property
    def axes_last(self) -> tuple[int | None, ...]:
        """Sizes without the batch, channels last."""
        return (*self.axes[1:], *self.axes[:1])

    def within(self, low: float, high: float) -> Self:
        """A validated copy with another range."""
        return type(self).model_validate({**dict(self), "range": (low, high)})


class Normalization(Record):
    """(pixel - mean) / std per channel, in units of 0–255, done inside the graph. Values are not normalised: none."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]
    where: Literal["graph"] = "graph"


class FurtherInput(Input):
    """An input beside the first, for nets that compare or combine pictures, with its own normalisation."""

    normalization: Normalization


class Crop(Record):
    """How a face gets from a photo onto the input grid.

    `template` holds where the five landmarks (left eye, right eye, nose, left and right mouth
    corner, as seen in the picture) go on the input grid, in pixels; a least-squares similarity
    (Umeyama 1991) maps the face there. Without landmarks: the square around the detector's box,
    enlarged by `margin` of its side. `sampling` names the rule in `fer_export/faces/sampling.py`.
    """

    template: tuple[Point, Point, Point, Point, Point]
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    sampling: Literal["area-bilinear/1"] = "area-bilinear/1"
    gray: Literal["bt601"] = "bt601"


class Cascade(Record):
    """MTCNN's settings (Zhang et al. 2016), the same in Python and on the page."""

    stage: Literal["pnet", "rnet", "onet"]
    min_face: Annotated[float, Field(ge=12)] = 40.0
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)


class Output(Record):
    """One named output; `shape` without the batch, channels last as in TF.js, 0 for a free size."""

    name: Annotated[str, Field(min_length=1)]
    shape: tuple[int, ...]
    meaning: str


class Training(Record):
    """Where the weights come from."""

    data: str
    protocol: str
    recipe: str
    seed: int
    epochs: int
    note: str = ""


class Metric(Record):
    """One measured figure: what, on which rows, by which protocol, over how many."""

    name: str
    value: float
    split: str
    protocol: str
    samples: Annotated[int, Field(ge=1)]


class Calibration(Record):
    """What the logits are divided by before softmax, inside the graph (Guo et al. 2017), and what it does.

    `ece` is the expected calibration error, 0–1, over 15 bins of equal width: at temperature 1, and at
    temperatures fitted without the rows that they are measured on.
    """

    temperature: Annotated[float, Field(gt=0.01, lt=100)]
    ece_before: Annotated[float, Field(ge=0, le=1)]
    ece_after: Annotated[float, Field(ge=0, le=1)]
    split: str
    protocol: str
    samples: Annotated[int, Field(ge=1)]


class Golden(Record):
    """One picture and what torch answers for it, so that any runtime can test itself.

    `pixels` is base64 of uint8 in the order H, W, C; `outputs` by name, flattened, channels last.
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
        """The picture as uint8 [H, W, C]."""
        raw = np.frombuffer(base64.b64decode(self.pixels), np.uint8)
        return raw.reshape(self.height, self.width, channels)


class Parity(Record):
    """What a hop measured when it wrote this artefact: a runtime against a reference one.

    `max_abs` was at most `tolerance` × `scale`: see fer_export/parity.py. Files from before `scale` was
    kept were held to `tolerance` alone, which its default says.
    """

    runtime: str
    reference: str
    output: str
    max_abs: float
    rmse: float
    cosine: float
    top1: float | None = None
    samples: int
    tolerance: float
    scale: Annotated[float, Field(ge=1)] = 1.0


class Contract(Record):
    """Everything an artefact says about itself. See the module's docstring."""

    version: Literal[1] = 1
    architecture: Architecture
    labels: tuple[str, ...] = ()
    input: Input
    normalization: Normalization
    more_inputs: tuple[FurtherInput, ...] = ()
    crop: Crop | None = None
    cascade: Cascade | None = None
    outputs: tuple[Output, ...]
    training: Training | None = None
    metrics: tuple[Metric, ...] = ()
    calibration: Calibration | None = None
    license: str
    weights_sha256: Sha256
    weights_dtype: Literal["float32", "float16", "uint8"] = "float32"
    graph_sha256: Sha256 | None = None
    tools: dict[str, str] = {}
    golden: tuple[Golden, ...] = ()
    parity: tuple[Parity, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if not self.outputs:
            raise ValueError("no outputs")
        names = [*(entry.name for entry in self.inputs), *(entry.name for entry in self.outputs)]
        if len(set(names)) != len(names):
            raise ValueError("names of inputs and outputs repeat")
        channels = self.input.channels
        more = [(entry, entry.normalization) for entry in self.more_inputs]
        for entry, normalization in [(self.input, self.normalization), *more]:
            wanted = entry.channels if entry.picture else 0
            if {len(normalization.mean), len(normalization.std)} != {wanted}:
                raise ValueError(f"normalization wants one mean and std for each of {wanted} channel(s) of a picture")
        if self.crop and not self.input.coloured:
            raise ValueError(f"a crop gives gray, RGB or BGR, and the input takes {self.input.color}")
        labelled = [output for output in self.outputs if output.name in BY_LABEL]
        if self.labels and not labelled:
            raise ValueError(f"there are {len(self.labels)} labels, and no output {' or '.join(BY_LABEL)}")
        for output in labelled:
            if self.labels and output.shape != (len(self.labels),):
                raise ValueError(
                    f"output {output.name} has shape {list(output.shape)}, and there are {len(self.labels)} labels"
                )
        for golden in self.golden:
            wanted = golden.height * golden.width * channels
            if len(base64.b64decode(golden.pixels)) != wanted:
                raise ValueError(f"golden picture {golden.name} is not {wanted} bytes")
        return self

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All of them."""
        return (self.input, *self.more_inputs)

    def to_json(self) -> str:
        """The contract as JSON, keys in the order of the fields: the same record, the same bytes."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> Contract:
        """Read and validate a contract.

        Args:
            text: JSON.
            where: what it was read from, for the error.

        Raises:
            ContractError: not JSON, another version, or a field that does not hold.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "contract"
            raise ContractError(f"{where}: the contract is not valid: {place}: {first['msg']}") from error

    @classmethod
    def from_object(cls, value: Any, *, where: str) -> Contract:
        """Read a contract from already parsed JSON; errors as for `from_json`."""
        import json

        return cls.from_json(json.dumps(value), where=where)

    def but(self, **changes: Any) -> Contract:
        """A validated copy with some fields changed."""
        return Contract.model_validate({**dict(self), **changes})
