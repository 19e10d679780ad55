"""This module adds golden vectors to a contract: a few pictures with torch's outputs."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from fer_export.contract import Contract, Golden
from fer_export.parity.samples import Batch
from fer_export.runtimes import Runtime, rows


def with_golden(contract: Contract, reference: Runtime, batches: Sequence[Batch]) -> Contract:
    """Return the contract with one golden vector for each picture of the first batch, at most three.

    A net whose input is not a single picture gets none, since the page, which replays them, feeds only that.
    Outputs are rounded to seven decimals, two orders of magnitude below the tolerance of any replay.
    """
    if len(contract.inputs) > 1 or contract.inputs[0].kind != "picture":
        return contract
    batch = batches[0]
    inputs = rows(batch.inputs, slice(3))
    answers = reference(inputs)
    golden = tuple(
        Golden(
            name=batch.names[index],
            height=picture.shape[0],
            width=picture.shape[1],
            pixels=base64.b64encode(picture.tobytes()).decode(),
            outputs={
                name: tuple(round(float(value), 7) for value in answer[index].ravel())
                for name, answer in answers.items()
            },
        )
        for index, picture in enumerate(inputs[contract.picture.name])
    )
    return contract.but(golden=golden)
