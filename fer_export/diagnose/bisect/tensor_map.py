"""This module maps tensors of a TensorFlow graph to ONNX values, by name and by the layout that the converter chose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import onnx

from fer_export.diagnose.bisect.finding import Array
from fer_export.tfgraph import convert
from fer_export.tfgraph.graph import FLOAT, TensorLayout


def tensor_map(model: onnx.ModelProto, *, passes: bool | Collection[str]) -> dict[str, TensorLayout]:
    """Return the tensor of the direct converter's graph that holds each ONNX value; floating-point values only.

    Args:
        passes: the passes that the graph went through, as `convert` takes them; graphs for TensorFlow have none.

    Raises:
        UnsupportedOperatorError: the converter does not know an operator.
    """
    graph = convert(model, passes=passes)
    inner = {name: entry for name, entry in graph.values.items() if entry.dtype == FLOAT}
    return {name: entry for name, entry in inner.items() if name not in graph.inputs and name not in graph.outputs}


def matching(entries: Mapping[str, TensorLayout], tensors: Iterable[str]) -> list[tuple[str, str]]:
    """Pair each ONNX value with the tensor whose name is that of the tensor that should hold it.

    All names may have the same scopes in front. LiteRT's names are lists, separated by semicolons, of the
    names of what was fused, and each of those counts.
    """
    parts = [(part, tensor) for tensor in tensors for part in tensor.split(";")]
    wanted = {entry.tensor for entry in entries.values()}
    scopes = Counter(
        part[: -len(name)] for part, _ in parts for name in wanted if part == name or part.endswith(f"/{name}")
    )
    scope = max(scopes, key=lambda one: scopes[one], default="")
    found: dict[str, list[str]] = {}
    for part, tensor in parts:
        if part.startswith(scope):
            found.setdefault(part.removeprefix(scope), []).append(tensor)
    return [(name, tensor) for name, entry in entries.items() for tensor in found.get(entry.tensor, ())]


def in_onnx_order(tensor: Array, entry: TensorLayout) -> Array | None:
    """Return a tensor in the layout of its ONNX value; None where the rank differs, so that it holds another value."""
    if tensor.ndim != len(entry.permutation):
        return None
    value = tensor.transpose(np.argsort(entry.permutation)) if tensor.ndim else tensor
    if entry.columns is None:
        return value
    if value.shape[1] != len(entry.columns):
        return None
    result = np.empty_like(value)
    result[:, entry.columns] = value
    return result
