"""This program answers calls, one line of JSON each, until its input ends; see `fer_export.tfenv.worker`."""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def encoded(value: Any) -> Any:
    """Encode a value for `json.dumps(default=…)`: arrays as little-endian base64, floats as float32, paths absolute."""
    if isinstance(value, Path):
        return str(value.absolute())
    given = np.asarray(value)
    kind = given.dtype.newbyteorder("<").str if given.dtype.kind in "iub" else "<f4"
    array = np.ascontiguousarray(given, kind)
    return {"array": base64.b64encode(array.tobytes()).decode(), "dtype": kind, "shape": list(given.shape)}


def decoded(value: dict[str, Any]) -> Any:
    """Decode for `json.loads(object_hook=…)` what `encoded` made."""
    if value.keys() != {"array", "dtype", "shape"}:
        return value
    return np.frombuffer(base64.b64decode(value["array"]), value["dtype"]).reshape(value["shape"])


def main() -> None:
    """Read calls from stdin and write answers to stdout."""
    # Libraries print to stderr from here on; stdout is for answers only.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line, object_hook=decoded)
        module, _, function = request["task"].partition(".")
        try:
            answer = getattr(importlib.import_module(module), function)(**request["arguments"])
            reply = {"ok": True, "answer": answer}
        except (Exception, SystemExit) as error:  # converters also leave by sys.exit
            traceback.print_exc()
            reply = {"ok": False, "type": type(error).__name__, "error": str(error)}
        answers.write(json.dumps(reply, default=encoded) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
