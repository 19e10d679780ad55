"""Contracts of earlier versions, brought up to this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_export.contract.records import Hop
from fer_export.contract.tolerance import TOLERANCES
from fer_export.errors import ContractError

#: How `training.data` of contract 1 begins where a program drew the faces (training/data/drawn.py).
_DRAWN = "drawn faces"
#: The key in `tools` of contract 1 that listed the passes that were left out.
_WITHOUT = "converter without"


def migrate(record: Mapping[str, Any], *, where: str, hop: Hop | None, batch: str | int | None) -> dict[str, Any]:
    """Bring a contract of version 1 up to version 2.

    Args:
        record: parsed JSON whose `version` is 1.
        where: what it was read from, for the error.
        hop: which hop writes this kind of file; None for checkpoints.
        batch: of the graph beside it; None where the reader does not know it, and `dynamic` is said.

    Returns:
        A record of version 2 without a hash, for validation.

    Raises:
        ContractError: it is no contract of version 1.
    """
    try:
        return _from_1(record, hop, batch)
    except KeyError as error:
        raise ContractError(f"{where}: the contract is not valid: {error.args[0]}: it is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"{where}: the contract is not valid: {type(error).__name__} {error}") from error


def _from_1(record: Mapping[str, Any], hop: Hop | None, batch: str | int | None) -> dict[str, Any]:
    """Contract 1 had a first input, `more_inputs`, and no batch, conversion, tolerance, hash or `synthetic`."""
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
        "tolerance": TOLERANCES.get(record.get("weights_dtype", "float32"), TOLERANCES["float32"]),
    }
    if record.get("training") is not None:
        new["training"] = {**record["training"], "synthetic": record["training"]["data"].startswith(_DRAWN)}
    return new


def _input(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One record served pictures and values: `color` told which."""
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
    """Only `tools` told which converters had been at work."""
    converter = next((name for name in ("onnx2tf", "onnx-tf") if name in tools), "direct")
    return {
        "hop": "tensorflowjs" if hop == "tfjs" and "tensorflowjs" in tools else hop,
        "converter": None if hop == "onnx" else converter,
        "without": left_out.split(", ") if left_out else [],
    }
