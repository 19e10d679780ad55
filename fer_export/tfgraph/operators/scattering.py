"""This module converts operators that put values at indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.indexing import full_indices, known, positive_tuples
from fer_export.tfgraph.registry import operator


@operator("ScatterND", attributes=("reduction",), since=11, restrictions=("reduction mul, max, min: constant indices",))
def scatter_nd(context: NodeContext) -> Value:
    """Put values at tuples of indices."""
    if context.attribute("reduction", "none") != "none":
        return _reduced(context, context.value(1), positive_tuples(context, context.value(1), context.value(0).shape))
    x, indices, updates = (context.value(index) for index in range(3))
    tuples = positive_tuples(context, indices, x.shape)
    tensors = [context.builder.in_layout(value, identity(value.rank)) for value in (x, updates)]
    return context.emit("TensorScatterUpdate", (tensors[0], tuples, tensors[1]), identity(x.rank), Tindices=INT32)


@operator(
    "ScatterElements",
    "Scatter",
    attributes=("axis", "reduction"),
    restrictions=("known sizes", "reduction mul, max, min: constant indices"),
)
def scatter_elements(context: NodeContext) -> Value:
    """Put one value at each index."""
    x, indices, updates = (context.value(index) for index in range(3))
    full = full_indices(context, x, indices)
    if context.attribute("reduction", "none") != "none":
        return _reduced(context, indices, full)
    tensors = [context.builder.in_layout(value, identity(value.rank)) for value in (x, updates)]
    flat = context.builder.reshape(f"{context.name}/indices", full, (None, x.rank))
    values = context.builder.reshape(f"{context.name}/updates", tensors[1], (None,))
    return context.emit("TensorScatterUpdate", (tensors[0], flat, values), identity(x.rank), Tindices=INT32)


def _reduced(context: NodeContext, indices: Value, tuples: str) -> Value:
    """Reduce values that meet in one place: `add` sums them by ScatterNd; for others see `_in_rounds`."""
    x, updates = context.value(0), context.value(2)
    if context.attribute("reduction", "none") != "add":
        return _in_rounds(context, x, updates)
    shape = known(context, x)
    tensor = context.builder.in_layout(updates, identity(updates.rank))
    if context.node.op_type != "ScatterND":
        tuples = context.builder.reshape(f"{context.name}/indices", tuples, (None, x.rank))
        tensor = context.builder.reshape(f"{context.name}/updates", tensor, (None,))
    summed = context.tf("ScatterNd", tuples, tensor, context.builder.ints("shape", shape), dtype=updates.dtype)
    return context.emit("AddV2", (context.builder.in_layout(x, identity(x.rank)), summed), identity(x.rank))


def _in_rounds(context: NodeContext, x: Value, updates: Value) -> Value:
    """Apply the updates at constant indices in rounds with at most one for each place, so that none collide."""
    op = {"mul": "Mul", "max": "Maximum", "min": "Minimum"}[context.attribute("reduction", "none")]
    indices, shape = context.constant(1), known(context, x)
    if context.node.op_type == "ScatterND":
        tuples = indices.reshape(-1, indices.shape[-1])
        inner = shape[indices.shape[-1] :]
    else:
        axis = context.axis(x)
        tuples = np.stack([indices if i == axis else grid for i, grid in enumerate(np.indices(indices.shape))], -1)
        tuples, inner = tuples.reshape(-1, x.rank), []
    tuples = np.where(tuples < 0, tuples + np.array(shape[: tuples.shape[1]]), tuples).astype(np.int32)
    result = context.builder.in_layout(x, identity(x.rank))
    flat = context.builder.reshape(
        f"{context.name}/updates", context.builder.in_layout(updates, identity(updates.rank)), (len(tuples), *inner)
    )
    seen: dict[tuple[int, ...], int] = {}
    rounds = np.zeros(len(tuples), np.int64)
    for row, place in enumerate(map(tuple, tuples.tolist())):
        rounds[row] = seen[place] = seen.get(place, -1) + 1
    for number in range(int(rounds.max(initial=-1)) + 1):
        rows = np.flatnonzero(rounds == number).astype(np.int32)
        places = context.builder.constant(f"{context.name}/places", tuples[rows])
        chosen = context.tf(
            "GatherV2", flat, context.builder.constant(f"{context.name}/rows", rows), context.builder.scalar(0, INT32)
        )
        merged = context.tf(op, context.tf("GatherNd", result, places), chosen)
        result = context.tf("TensorScatterUpdate", result, places, merged)
    return context.result(result)
