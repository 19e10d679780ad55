"""This module brings contracts of earlier versions up to the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_export.contract.records import Hop
from fer_export.errors import ContractError

#: The beginning of contract 1's `training.data` where a program drew the faces (training/data/drawn.py).
_DRAWN = "drawn faces"
#: The key in contract 1's `tools` that lists the passes that were left out.
_WITHOUT = "converter without"


def migrate(record: Mapping[str, Any], *, where: str, hop: Hop | None, batch: str | int | None) -> dict[str, Any]:
    """Bring a contract of version 1 up to version 2.

    Args:
        record: the parsed JSON, whose `version` is 1.
        where: the place that it was read from, for the error.
        hop: the hop that writes this kind of file; None for checkpoints.
        batch: the batch of the graph in the same file; None where the reader does not know it, which gives `dynamic`.

    Returns:
        A record of version 2 without a hash, for validation.

    Raises:
        ContractError: the record is not a valid contract of version 1.
    """
    try:
        return _from_1(record, hop, batch)
    except KeyError as error:
        raise ContractError(f"{where}: the contract is not valid: {error.args[0]}: it is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"{where}: the contract is not valid: {type(error).__name__} {error}") from error


def _from_1(record: Mapping[str, Any], hop: Hop | None, batch: str | int | None) -> dict[str, Any]:
    """Convert the record; contract 1 had one input and `more_inputs`, and lacked several of today's fields.

    Files of contract 1 were checked against the tolerance of their weights' type; validation fills that in.
    """
    moved = ("version", "input", "normalization", "more_inputs")
    new = {name: value for name, value in record.items() if name not in moved}
    tools = dict(record.get("tools", {}))
    left_out = tools.pop(_WITHOUT, "")
    first = {**record["input"], "normalization": record["normalization"]}
    new |= {
        "version": 2,
        "inputs": [_input(entry) for entry in (first, *record.get("more_inputs", ()))],
        "batch": "dynamic" if batch is None else batch,
        "tools": tools,
        "conversion": None if hop is None else _conversion(hop, tools, left_out),
    }
    if record.get("training") is not None:
        new["training"] = {**record["training"], "synthetic": record["training"]["data"].startswith(_DRAWN)}
    return new


def _input(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an input; contract 1 had one record for pictures and values, and `color` distinguished them."""
    if entry["color"] != "values":
        kept = ("name", "height", "width", "channels", "color", "normalization")
        return {"kind": "picture", **{name: entry[name] for name in kept if name in entry}}
    channels = entry["channels"]
    return {
        "kind": "values",
        "name": entry.get("name", "pixels"),
        "shape": [channels, *entry.get("sizes", ())] if channels else [],
        "dtype": entry.get("dtype", "float32"),
        "range": entry.get("range", (0.0, 255.0)),
    }


def _conversion(hop: Hop, tools: Mapping[str, str], left_out: str) -> dict[str, Any]:
    """Derive how the file was made from `tools`, the only place where contract 1 named the converters."""
    converter = next((name for name in ("onnx2tf", "onnx-tf") if name in tools), "direct")
    return {
        "hop": "tensorflowjs" if hop == "tfjs" and "tensorflowjs" in tools else hop,
        "converter": None if hop == "onnx" else converter,
        "without": left_out.split(", ") if left_out else [],
    }
