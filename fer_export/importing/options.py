"""This module parses the command line's options about another project's checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from fer_export.contract import DType, Input, Normalization, PictureInput, ValuesInput
from fer_export.errors import InvalidInputError, UsageError
from fer_export.importing.architecture import Argument

_DTYPES: tuple[str, ...] = get_args(DType)
_INPUT = re.compile(
    rf"(?:(?P<name>[A-Za-z]\w*)=)?(?P<sizes>scalar|\d+(?:[x×](?:\d+|\?))*)(?::(?P<dtype>{'|'.join(_DTYPES)}))?",
    re.ASCII,
)
#: The default ranges that parity is measured with, for float and whole numbers. Nets take numbers near 0, and every
#: table has the rows 0 and 1.
_VALUES, _WHOLE = (-1.0, 1.0), (0.0, 1.0)


def parse_input(text: str, *, bgr: bool = False) -> Input:
    """Parse `3x224x224` (channels, height, width), `1x?x?` with a free size, or `face=1x48x48` with a name.

    One channel is gray, three are RGB (or BGR), and any other number are planes without colours. Only three numbers
    are a picture: `10` is a vector, `8x100` a signal (channels, length), `1x16x32x32` a volume. An input with a type
    is no picture either: `ids=128:int64`, `mask=128:bool`, `1x128x200:float32`. `step=scalar` is a single number.
    The result has no normalisation and a default range, since other options give those.

    Raises:
        UsageError: the text has none of these forms.
    """
    found = _INPUT.fullmatch(text)
    if not found:
        raise UsageError(
            f"--input {text}: it is channels x height x width, or a vector's length, and perhaps a type",
            hint="--input 1x48x48, 3x?x?, face=1x48x48, landmarks=10 or ids=128:int64",
        )
    first, *others = re.split("[x×]", found["sizes"])
    channels, sizes = 0 if first == "scalar" else int(first), [None if size == "?" else int(size) for size in others]
    picture = len(sizes) == 2 and found["dtype"] is None
    if (channels < 1 and first != "scalar") or (picture and channels > 1024):
        raise UsageError(f"--input {text}: channels go from 1 to 1024")
    if any(size is not None and not 1 <= size <= 4096 for size in sizes):
        raise UsageError(f"--input {text}: sizes go from 1 to 4096")
    name = found["name"] or ("pixels" if picture else "values")
    if not picture:
        if None in sizes:
            raise UsageError(f"--input {text}: only a picture's height and width can be free, as in 3x?x?")
        dtype = found["dtype"] or "float32"
        span = _VALUES if dtype == "float32" else _WHOLE
        shape = [channels, *sizes] if channels else []
        return ValuesInput.model_validate({"name": name, "shape": shape, "dtype": dtype, "range": span})
    if (sizes[0] is None) != (sizes[1] is None):
        raise UsageError(f"--input {text}: height and width are both fixed or both free")
    color = {1: "gray", 3: "bgr" if bgr else "rgb"}.get(channels, "planes")
    record = {"height": sizes[0], "width": sizes[1], "channels": channels}
    normalization = Normalization(mean=(0.0,) * channels, std=(1.0,) * channels)
    return PictureInput.model_validate({"name": name, "color": color, **record, "normalization": normalization})


def parse_ranges(texts: Sequence[str], inputs: Sequence[Input]) -> dict[str, tuple[float, float]]:
    """Parse texts `NAME=LOW:HIGH` into ranges by name; a single input needs no name.

    Raises:
        UsageError: a text has another form, or its input is unknown, is a picture, or cannot hold such numbers.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, equals, span = text.rpartition("=")
        name = name if equals or len(inputs) > 1 else inputs[0].name
        spec = next((each for each in inputs if each.name == name), None)
        low, colon, high = span.partition(":")
        if spec is None or not colon:
            known = " or ".join(f"--range {each.name}=LOW:HIGH" for each in inputs if each.kind == "values")
            raise UsageError(f"--range {text}: it is an input's name and two ends", hint=known or None)
        if spec.kind == "picture":
            raise UsageError(f"--range {text}: {name} is a picture, which has 0 to 255")
        ranges[name] = (_number("--range", low), _number("--range", high))
        try:
            spec.but(range=ranges[name])
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"--range {text}: {reason}") from error
    return ranges


def parse_normalization(scale: str, mean: str, std: str, channels: int) -> Normalization:
    """Convert the usual normalisation (x · scale - mean) / std to the contract's units of 0–255.

    Args:
        scale: a number or a fraction such as `1/255`.
        mean, std: one number, or one for each channel, in units after the scale.

    Raises:
        UsageError: these are not such numbers, or the mean lies outside the range of scaled pixels.
    """
    factor = _number("--scale", scale)
    means, stds = _numbers("--mean", mean, channels), _numbers("--std", std, channels)
    if factor <= 0 or min(stds) <= 0:
        raise UsageError("--scale and --std are greater than 0")
    highest = 255 * factor
    if not all(0 <= value <= highest for value in means):
        raise UsageError(
            f"--mean {mean} lies outside of 0 to {highest:g}, which --scale {scale} leaves",
            hint="--mean and --std are in units after --scale; for those of 0–255: --scale 1",
        )
    return Normalization(mean=tuple(value / factor for value in means), std=tuple(value / factor for value in stds))


def parse_labels(text: str | None) -> tuple[str, ...]:
    """Parse `a,b,c`, or `@file` with one label on each line or a JSON list; None gives no labels.

    Raises:
        InvalidInputError: the file is missing or has another form.
        UsageError: a label is empty or occurs twice.
    """
    if text is None:
        return ()
    labels = _from_file(Path(text[1:])) if text.startswith("@") else text.split(",")
    labels = [label.strip() for label in labels]
    if not labels or not all(labels):
        raise UsageError("--labels: a label is empty", hint="--labels anger,happiness,neutral or --labels @labels.txt")
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated:
        raise UsageError(f"--labels: {repeated!r} is there twice")
    return tuple(labels)


def parse_arguments(texts: Sequence[str]) -> dict[str, Argument]:
    """Parse texts `name=value`; a value is JSON (a number, true, a list of whole numbers) or else a string.

    Raises:
        UsageError: a text has another form.
    """
    arguments: dict[str, Argument] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--arch-arg {text}: it is NAME=VALUE")
        arguments[name] = _value(text, value)
    return arguments


def _value(text: str, value: str) -> Argument:
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        return value
    if isinstance(parsed, list) and all(type(item) is int for item in parsed):
        return tuple(parsed)
    if isinstance(parsed, bool | int | float | str):
        return parsed
    raise UsageError(f"--arch-arg {text}: a number, true, false, a string or a list of whole numbers")


def _from_file(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"--labels @{path}: it cannot be read as text") from error
    if text.lstrip().startswith("["):
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"{path}, line {error.lineno}: {error.msg}") from error
        if not all(isinstance(item, str) for item in parsed):
            raise InvalidInputError(f"{path}: it has to be a list of strings")
        return list(parsed)
    return [line for line in text.splitlines() if line.strip()]


def _numbers(option: str, text: str, channels: int) -> list[float]:
    values = [_number(option, part) for part in text.split(",")]
    if len(values) not in (1, channels):
        raise UsageError(f"{option} {text}: {len(values)} numbers for {channels} channel(s)")
    return values * channels if len(values) == 1 else values


def _number(option: str, text: str) -> float:
    over, slash, under = text.partition("/")
    try:
        value = float(over) / (float(under) if slash else 1.0)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{option} {text}: not a number nor a fraction such as 1/255") from error
    if not abs(value) < float("inf"):
        raise UsageError(f"{option} {text}: not a finite number")
    return value
