"""This module reads and writes the contract inside a `.tflite` file of LiteRT.

The contract is an associated file of the TFLite format: `contract.json` in a ZIP archive that is
appended to the flatbuffer (https://ai.google.dev/edge/litert/conversion/tensorflow/metadata), so any
unzip reads it and LiteRT ignores it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from fer_export.contract import Contract
from fer_export.errors import ContractError, InvalidInputError

_MEMBER = "contract.json"
#: The flatbuffer's file identifier, at byte 4 (tensorflow/lite/schema/schema.fbs).
_IDENTIFIER = b"TFL3"


def load_litert(path: Path) -> Contract:
    """Return the contract of a `.tflite`, after checking that it belongs to the model.

    Raises:
        InvalidInputError: the file is missing or is not a `.tflite`.
        ContractError: there is no contract, or it belongs to another model.
    """
    if not path.is_file():
        raise InvalidInputError(f"no file {path}", hint="fer-export litert writes build/fer.tflite")
    data = path.read_bytes()
    if data[4:8] != _IDENTIFIER:
        raise InvalidInputError(f"{path} is not a .tflite file")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read(_MEMBER)
            start = min(entry.header_offset for entry in archive.infolist())
    except (zipfile.BadZipFile, KeyError) as error:
        raise ContractError(
            f"{path} carries no contract ({_MEMBER})", hint="fer-export litert writes one that does"
        ) from error
    contract = Contract.from_json(text, where=str(path), hop="litert")
    if contract.graph_sha256 != hashlib.sha256(data[:start]).hexdigest():
        raise ContractError(f"{path}: the contract was written for another model")
    return contract


def contract_archive(contract: Contract) -> bytes:
    """Return the contract's ZIP archive, uncompressed and with a fixed date: equal contracts give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_MEMBER), contract.to_json())
    return buffer.getvalue()
