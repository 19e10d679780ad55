"""This module writes the page's models: one classic script that holds them, since a page from disk loads no other file.

The script sets `ferModels` on the global scope: for each model the text of its `model.json`, and its shards in the
manifest's order as one base64 string. `web/src/models.ts` reads it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from fer_export.contract import KEY, Contract
from fer_export.errors import InvalidInputError

#: The models of a page: the classifier, and the detector's nets.
DETECTOR = ("pnet", "rnet", "onet")
NAMES = ("classifier", *DETECTOR)


def pack_models(folders: Mapping[str, Path], contracts: Mapping[str, Contract] | None = None) -> str:
    """Return the script that holds these TF.js models, as they are: nothing is checked.

    Args:
        folders: for each of `NAMES` the folder of its `model.json`.
        contracts: the contracts as they were read, to be written in place of older versions, which the page
            cannot read; None leaves what is in the files.

    Raises:
        InvalidInputError: a file is missing or is not JSON.
    """
    packed = {name: _packed(folders[name], contracts[name] if contracts else None) for name in NAMES}
    return f"globalThis.ferModels={json.dumps(packed, separators=(',', ':'))};\n"


def _packed(folder: Path, contract: Contract | None) -> dict[str, str]:
    path = folder / "model.json"
    try:
        document = json.loads(path.read_text("utf-8"))
        shards = [folder / name for group in document["weightsManifest"] for name in group["paths"]]
        weights = b"".join(shard.read_bytes() for shard in shards)
    except OSError as error:
        raise InvalidInputError(f"cannot read {error.filename or path}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(f"{path} is not a TF.js graph model: {error!r}") from error
    if contract is not None:
        document["userDefinedMetadata"][KEY] = contract.to_object()
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return {"json": text, "weights": base64.b64encode(weights).decode("ascii")}
