"""This module takes residual blocks out of a trained net, as the start of a cheaper one.

A block adds to what passes by it, so the net still computes something sensible without it (Veit et al. 2016,
https://arxiv.org/abs/1605.06431), and is soon taught what it has lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from fer_export import models
from fer_export.contract import Architecture
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.provenance import remade

_BLOCK = re.compile(r"stages\.(\d+)\.")


def shorten(long: Checkpoint, blocks: Sequence[int]) -> Checkpoint:
    """Return a checkpoint of the same architecture with the first blocks of each stage alone.

    Args:
        long: a checkpoint whose architecture has the argument `blocks`.
        blocks: the number of blocks to keep of each stage, from 1.

    Raises:
        InvalidInputError: the architecture has no blocks, or a stage has fewer than are to be kept.
    """
    old = long.contract.architecture
    held = {**models.defaults(old.name), **old.arguments}.get("blocks")
    if not isinstance(held, Sequence):
        raise InvalidInputError(f"{old.name} has no blocks to take out")
    counts = [int(count) for count in held]
    if len(blocks) != len(counts) or any(not 1 <= new <= count for new, count in zip(blocks, counts, strict=False)):
        raise InvalidInputError(
            f"{old.name} has {', '.join(map(str, counts))} blocks in its stages, and "
            f"{', '.join(map(str, blocks))} cannot be kept of them"
        )
    firsts = [0, *accumulate(counts)]
    kept = [first + number for first, count in zip(firsts, blocks, strict=False) for number in range(count)]
    places = {place: number for number, place in enumerate(kept)}
    state = {}
    for name, value in long.state.items():
        block = _BLOCK.match(name)
        if block is None:
            state[name] = value
        elif int(block[1]) in places:
            state[f"stages.{places[int(block[1])]}.{name[block.end() :]}"] = value
    architecture = Architecture(name=old.name, arguments={**old.arguments, "blocks": list(blocks)})
    how = f"shortened to {', '.join(map(str, blocks))} blocks"
    return remade(long, state, lambda before: f"{before}; {how}".lstrip("; "), architecture=architecture)
