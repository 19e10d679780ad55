"""This module converts a TF.js graph model of the direct writer to a frozen TensorFlow graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format


def to_frozen(model: str, path: str) -> None:
    """Write the GraphDef of a `model.json` and its float32 shards in protobuf's binary form.

    Args:
        model: the folder of `model.json`.
        path: the `.pb` file to write.
    """
    folder = Path(model)
    document = json.loads((folder / "model.json").read_text("utf-8"))
    weights = _weights(document, folder)
    graph = tf.compat.v1.GraphDef()
    for record in document["modelTopology"]["node"]:
        if record["op"] == "Prelu":
            graph.node.extend(_prelu(record, weights))
            continue
        node = json_format.ParseDict(record, graph.node.add())
        if node.op == "Const":
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[node.name]))
    json_format.ParseDict(document["modelTopology"]["versions"], graph.versions)
    Path(path).write_bytes(graph.SerializeToString(deterministic=True))


def _weights(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    found = {}
    for group in document["weightsManifest"]:
        payload = b"".join((folder / name).read_bytes() for name in group["paths"])
        start = 0
        for entry in group["weights"]:
            kind = np.dtype(entry["dtype"])
            count = int(np.prod(entry["shape"]))
            found[entry["name"]] = np.frombuffer(payload, kind, count, start).reshape(entry["shape"])
            start += count * kind.itemsize
    return found


def _prelu(record: dict[str, Any], weights: dict[str, Any]) -> list[Any]:
    """Write Prelu, which TensorFlow lacks, as max(x, 0) + (-slope) · max(-x, 0); LiteRT's converter restores it."""
    name, (x, slope) = record["name"], record["input"]
    kind = {"T": tf.float32}
    minus = tf.compat.v1.NodeDef(name=f"{name}/minus_slope", op="Const")
    minus.attr["dtype"].type = tf.float32.as_datatype_enum
    minus.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(-weights[slope]))
    nodes = [minus]
    for made, op, inputs in (
        (f"{name}/positive", "Relu", [x]),
        (f"{name}/negated", "Neg", [x]),
        (f"{name}/negative", "Relu", [f"{name}/negated"]),
        (f"{name}/scaled", "Mul", [f"{name}/negative", minus.name]),
        (name, "AddV2", [f"{name}/positive", f"{name}/scaled"]),
    ):
        node = tf.compat.v1.NodeDef(name=made, op=op, input=inputs)
        node.attr["T"].type = kind["T"].as_datatype_enum
        nodes.append(node)
    return nodes
