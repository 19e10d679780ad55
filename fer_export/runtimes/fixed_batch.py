"""Artefacts of a fixed batch: what it is, and a runtime that takes any number of pictures all the same."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

from fer_export.formats.artefact import kind
from fer_export.formats.frozen import load_frozen
from fer_export.formats.litert import load_litert
from fer_export.formats.onnx import load_onnx, onnx_batch
from fer_export.formats.tfjs import load_tfjs, tfjs_batch
from fer_export.runtimes import Answers, Pixels, Runtime


def fixed_batch(path: Path) -> int | None:
    """The batch that an artefact insists on; None where it is free.

    Raises:
        InvalidInputError, ContractError: it cannot be read, or does not match its contract.
    """
    match kind(path):
        case "onnx":
            return onnx_batch(load_onnx(path)[0])
        case "tfjs":
            return tfjs_batch(*load_tfjs(path))
        case "saved_model":
            size = _of_saved_model((path / "saved_model.pb").read_bytes())
        case "frozen":
            size = _of_frozen(path.read_bytes(), load_frozen(path).inputs[0].name)
        case "litert":
            load_litert(path)
            size = _of_litert(path.read_bytes())
        case _:
            return None
    return size if size > 0 else None


@dataclass(frozen=True)
class InBatches:
    """A runtime of a fixed batch, for any number of pictures; the last batch is filled with the first ones again."""

    runtime: Runtime
    size: int

    @property
    def name(self) -> str:
        """The runtime's own."""
        return self.runtime.name

    def __call__(self, pixels: Pixels) -> Answers:
        """[N, H, W, C], 0–255 → outputs by name, float32, channels last."""
        whole = -(-len(pixels) // self.size) * self.size
        filled = pixels[np.arange(whole) % len(pixels)]
        answers = [self.runtime(filled[start : start + self.size]) for start in range(0, whole, self.size)]
        return {name: np.concatenate([each[name] for each in answers])[: len(pixels)] for name in answers[0]}


def in_batches(runtime: Runtime, size: int | None) -> Runtime:
    """The runtime itself where its batch is free."""
    return runtime if size is None else InBatches(runtime, size)


# TensorFlow is in another environment. The numbers of fields are those of its .proto files.
def _of_saved_model(data: bytes) -> int:
    """meta_graphs, signature_def["serving_default"], the first of inputs: tensor_shape."""
    for signature in _fields(data, 2, 5):
        if _fields(signature, 1) == [b"serving_default"]:
            return _first_size(_fields(signature, 2, 1, 2, 3))
    return -1


def _of_frozen(data: bytes, name: str) -> int:
    """The node of the input's name: attr["shape"], its shape."""
    for node in _fields(data, 1):
        if _fields(node, 1) == [name.encode()]:
            return _first_size(_fields(node, 5, 2, 7))
    return -1


def _first_size(shapes: Sequence[bytes]) -> int:
    """dim[0].size of a TensorShapeProto."""
    sizes = [size for shape in shapes[:1] for dim in _fields(shape, 2)[:1] for size in _numbers(dim, 1)]
    return sizes[0] if sizes else -1


def _fields(data: bytes, *path: int) -> list[bytes]:
    """What a protobuf message of no known type holds in fields of fields."""
    found = [data]
    for number in path:
        found = [value for each in found for value in _values(each, number) if isinstance(value, bytes)]
    return found


def _numbers(data: bytes, number: int) -> list[int]:
    """Signed ones, of 64 bits."""
    return [(value ^ 1 << 63) - (1 << 63) for value in _values(data, number) if isinstance(value, int)]


def _values(data: bytes, number: int) -> Iterator[bytes | int]:
    message = Empty()
    message.ParseFromString(data)
    for field in UnknownFieldSet(message):
        if field.field_number == number:
            yield field.data


def _of_litert(data: bytes) -> int:
    """The first input of the first subgraph: `shape_signature` of its tensor, or `shape` (TFLite's schema.fbs)."""
    subgraph = _follow(data, _vector(data, _follow(data, 0), 2) or 0)
    inputs, tensors = _vector(data, subgraph, 1), _vector(data, subgraph, 0)
    if inputs is None or tensors is None:
        return -1
    tensor = _follow(data, tensors + 4 * _int32(data, inputs))
    shape = _vector(data, tensor, 7) or _vector(data, tensor, 0)
    return -1 if shape is None else _int32(data, shape)


# The layout of flatbuffers: https://flatbuffers.dev/internals/
def _follow(data: bytes, at: int) -> int:
    """Where an offset leads."""
    return at + _int32(data, at)


def _vector(data: bytes, table: int, field: int) -> int | None:
    """Where the elements of a table's vector begin; None where it has none."""
    vtable = table - _int32(data, table)
    size, entry = struct.unpack_from("<H", data, vtable)[0], 4 + 2 * field
    offset = struct.unpack_from("<H", data, vtable + entry)[0] if entry < size else 0
    if not offset:
        return None
    start = _follow(data, table + offset)
    return start + 4 if _int32(data, start) else None


def _int32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])
