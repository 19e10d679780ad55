"""Golden vectors: a few pictures with torch's answers, carried in the contract."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from fer_export.contract import Contract, Golden
from fer_export.parity.samples import Batch
from fer_export.runtimes import Runtime


def with_golden(contract: Contract, reference: Runtime, batches: Sequence[Batch]) -> Contract:
    """The contract with one golden vector for each of its first batch's pictures, at most three.

    None for a net with other inputs than one picture: the page, which replays them, feeds nothing else.
    Answers are kept to seven decimals: two orders under the tolerance of any replay.
    """
    if len(contract.inputs) > 1 or contract.inputs[0].kind != "picture":
        return contract
    batch = batches[0]
    pixels = batch.pixels[:3]
    answers = reference(pixels)
    golden = tuple(
        Golden(
            name=batch.names[index],
            height=picture.shape[0],
            width=picture.shape[1],
            pixels=base64.b64encode(picture.tobytes()).decode(),
            outputs={
                name: tuple(round(float(value), 7) for value in rows[index].ravel()) for name, rows in answers.items()
            },
        )
        for index, picture in enumerate(pixels)
    )
    return contract.but(golden=golden)
