"""Values put at indices."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.indexing import full_indices, known, positive_tuples
from fer_export.tfgraph.registry import operator


@operator("ScatterND", attributes=("reduction",), since=11, restrictions=("reduction mul, max, min: constant indices",))
def scatter_nd(call: Call) -> Value:
    """Values put at tuples of indices."""
    if call.attribute("reduction", "none") != "none":
        return _reduced(call, call.value(1), positive_tuples(call, call.value(1), call.value(0).shape))
    x, indices, updates = (call.value(index) for index in range(3))
    tuples = positive_tuples(call, indices, x.shape)
    tensors = [call.builder.read(value, identity(value.rank)) for value in (x, updates)]
    return call.emit("TensorScatterUpdate", (tensors[0], tuples, tensors[1]), identity(x.rank), Tindices=INT32)


@operator(
    "ScatterElements",
    "Scatter",
    attributes=("axis", "reduction"),
    restrictions=("known sizes", "reduction mul, max, min: constant indices"),
)
def scatter_elements(call: Call) -> Value:
    """One index for each value of the updates."""
    x, indices, updates = (call.value(index) for index in range(3))
    full = full_indices(call, x, indices)
    if call.attribute("reduction", "none") != "none":
        return _reduced(call, indices, full)
    tensors = [call.builder.read(value, identity(value.rank)) for value in (x, updates)]
    flat = call.builder.reshape(f"{call.name}/indices", full, (None, x.rank))
    values = call.builder.reshape(f"{call.name}/updates", tensors[1], (None,))
    return call.emit("TensorScatterUpdate", (tensors[0], flat, values), identity(x.rank), Tindices=INT32)


def _reduced(call: Call, indices: Value, tuples: str) -> Value:
    """`add`: what falls on one place is summed by ScatterNd, then added. Others: see `_in_rounds`."""
    x, updates = call.value(0), call.value(2)
    if call.attribute("reduction", "none") != "add":
        return _in_rounds(call, x, updates)
    shape = known(call, x)
    tensor = call.builder.read(updates, identity(updates.rank))
    if call.node.op_type != "ScatterND":
        tuples = call.builder.reshape(f"{call.name}/indices", tuples, (None, x.rank))
        tensor = call.builder.reshape(f"{call.name}/updates", tensor, (None,))
    summed = call.tf("ScatterNd", tuples, tensor, call.builder.ints("shape", shape), dtype=updates.dtype)
    return call.emit("AddV2", (call.builder.read(x, identity(x.rank)), summed), identity(x.rank))


def _in_rounds(call: Call, x: Value, updates: Value) -> Value:
    """Constant indices: each round takes one update for every place, so that none is met twice."""
    op = {"mul": "Mul", "max": "Maximum", "min": "Minimum"}[call.attribute("reduction", "none")]
    indices, shape = call.constant(1), known(call, x)
    if call.node.op_type == "ScatterND":
        tuples = indices.reshape(-1, indices.shape[-1])
        inner = shape[indices.shape[-1] :]
    else:
        axis = call.axis(x)
        tuples = np.stack([indices if i == axis else grid for i, grid in enumerate(np.indices(indices.shape))], -1)
        tuples, inner = tuples.reshape(-1, x.rank), []
    tuples = np.where(tuples < 0, tuples + np.array(shape[: tuples.shape[1]]), tuples).astype(np.int32)
    result = call.builder.read(x, identity(x.rank))
    flat = call.builder.reshape(
        f"{call.name}/updates", call.builder.read(updates, identity(updates.rank)), (len(tuples), *inner)
    )
    seen: dict[tuple[int, ...], int] = {}
    rounds = np.zeros(len(tuples), np.int64)
    for row, place in enumerate(map(tuple, tuples.tolist())):
        rounds[row] = seen[place] = seen.get(place, -1) + 1
    for number in range(int(rounds.max(initial=-1)) + 1):
        rows = np.flatnonzero(rounds == number).astype(np.int32)
        places = call.builder.constant(f"{call.name}/places", tuples[rows])
        chosen = call.tf(
            "GatherV2", flat, call.builder.constant(f"{call.name}/rows", rows), call.builder.scalar(0, INT32)
        )
        merged = call.tf(op, call.tf("GatherNd", result, places), chosen)
        result = call.tf("TensorScatterUpdate", result, places, merged)
    return call.result(result)
