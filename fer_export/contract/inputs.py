"""This module holds the inputs of a net: pictures, and values that are not pictures."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fer_export.contract.record import Integer, Record, Size

#: The type of an input's numbers in torch and ONNX; TF.js holds 64-bit integers as int32.
DType = Literal["float32", "int32", "int64", "bool"]
#: The channels of a picture: luma, red-green-blue, blue-green-red as OpenCV reads pictures, or no colours.
Color = Literal["gray", "rgb", "bgr", "planes"]

_CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3}
#: The range of TF.js's widest integers.
_INT32 = (-(2**31), 2**31 - 1)


class Normalization(Record):
    """Hold mean and deviation of each channel, in units of 0–255: the graph computes (pixel - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]
    where: Literal["graph"] = "graph"


class PictureInput(Record):
    """Describe an input that takes a picture with values of 0–255; `normalization` is applied inside the graph.

    ONNX and torch take it as [N, C, H, W], TensorFlow and TF.js as [N, H, W, C]. Height and width are both numbers,
    or both None where any size is accepted.
    """

    #: The range of the values. It is not in the JSON, because it is the same for all pictures.
    range: ClassVar[tuple[float, float]] = (0.0, 255.0)
    dtype: ClassVar[DType] = "float32"

    kind: Literal["picture"] = "picture"
    name: Annotated[str, Field(min_length=1)] = "pixels"
    height: Size | None
    width: Size | None
    channels: Annotated[int, Field(ge=1, le=1024)]
    color: Color
    normalization: Normalization

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.channels != _CHANNELS.get(self.color, self.channels):
            raise ValueError(f"{self.channels} channel(s) cannot be {self.color}")
        if (self.height is None) != (self.width is None):
            raise ValueError("height and width are both fixed or both free")
        if {len(self.normalization.mean), len(self.normalization.std)} != {self.channels}:
            raise ValueError(f"normalization wants one mean and one std for each of {self.channels} channel(s)")
        return self

    @property
    def coloured(self) -> bool:
        """Return whether a crop of a photo can be fed: the input is gray, RGB or BGR."""
        return self.color != "planes"

    @property
    def free(self) -> bool:
        """Return whether it takes pictures of any size."""
        return self.height is None

    @property
    def axes(self) -> tuple[int | None, ...]:
        """Return the sizes without the batch, channels first; `None` stands for a free one."""
        return (self.channels, self.height, self.width)

    @property
    def axes_last(self) -> tuple[int | None, ...]:
        """Return the sizes without the batch, channels last."""
        return (self.height, self.width, self.channels)


class ValuesInput(Record):
    """Describe an input that takes numbers which are no picture; they are not normalised.

    `shape` leaves out the batch and has channels first: [] for one number, [C] for a vector, [C, L] for a signal,
    [C, D, H, W] for a volume. TensorFlow and TF.js take it channels last. `range` is the range of the random values
    that parity is measured with, both ends included.
    """

    #: None of its sizes is free, unlike a picture's.
    free: ClassVar[bool] = False

    kind: Literal["values"] = "values"
    name: Annotated[str, Field(min_length=1)] = "values"
    shape: tuple[Annotated[Integer, Field(ge=1)], ...]
    dtype: DType = "float32"
    range: tuple[float, float]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        low, high = self.range
        if low > high:
            raise ValueError(f"a range goes from the lower end to the higher, and not from {low:g} to {high:g}")
        if self.dtype != "float32":
            lowest, highest = (0, 1) if self.dtype == "bool" else _INT32
            if not (low.is_integer() and high.is_integer() and lowest <= low and high <= highest):
                raise ValueError(f"a range of {self.dtype} has whole numbers from {lowest} to {highest}")
        return self

    @property
    def channels(self) -> int:
        """Return the first size; 0 for a single number."""
        return self.shape[0] if self.shape else 0

    @property
    def axes(self) -> tuple[int, ...]:
        """Return the sizes without the batch, channels first."""
        return self.shape

    @property
    def axes_last(self) -> tuple[int, ...]:
        """Return the sizes without the batch, channels last."""
        return (*self.shape[1:], *self.shape[:1])


Input = Annotated[PictureInput | ValuesInput, Field(discriminator="kind")]
