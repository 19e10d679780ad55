"""This module splits a reshape into groups of axes, so that axes outside a merge or split keep their place."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from fer_export.tfgraph.graph import Shape
from fer_export.tfgraph.layout import Permutation

Group = tuple[list[int], list[int]]


def groups(source: Shape, target: Shape) -> list[Group] | None:
    """Return the smallest pairs of (axes of the source, axes of the target) that hold the same values.

    [N, C, H, W] → [N, C, H·W] gives N→N, C→C, (H, W)→H·W. One free size on each side is matched too: the
    other sizes say how the two are related.

    Returns:
        The pairs, or None where the sizes do not determine them or one of them is 0.
    """
    free_in, free_out = source.count(None), target.count(None)
    known_in, known_out = prod(_known(source)), prod(_known(target))
    if free_in > 1 or free_out > 1 or free_in != free_out or not known_in or not known_out:
        return None
    if not free_in and known_in != known_out:
        return None
    # A large prime stands for the free size, because no product of the other sizes equals it by chance.
    prime = 2**61 - 1
    left = [prime * known_out if size is None else size for size in source]
    right = [prime * known_in if size is None else size for size in target]
    result: list[Group] = []
    i = j = 0
    while i < len(left) or j < len(right):
        inside, outside = [], []
        a = b = 1
        if i < len(left):
            a, i, inside = left[i], i + 1, [i]
        if j < len(right):
            b, j, outside = right[j], j + 1, [j]
        while a != b:
            if a < b:
                if i == len(left):
                    return None
                a, i, inside = a * left[i], i + 1, [*inside, i]
            else:
                if j == len(right):
                    return None
                b, j, outside = b * right[j], j + 1, [*outside, j]
        result.append((inside, outside))
    return result


def in_place(source: Shape, permutation: Permutation, found: list[Group]) -> tuple[Permutation, Permutation]:
    """Return the layout to read the source in, and the layout of the reshaped tensor.

    Groups keep the order that the tensor has; inside a group the axes are in ONNX's order, since
    that is what a reshape merges and splits.
    """
    place = {axis: index for index, axis in enumerate(permutation)}

    def first(group: Group) -> tuple[int, int]:
        inside, outside = group
        real = [place[axis] for axis in inside if source[axis] != 1]
        return (min(real) if real else len(permutation), (outside or inside)[0])

    # A group of size-1 axes may stand anywhere; it goes before the next group that ONNX has after it.
    order: list[Group] = []
    real = sorted((group for group in found if any(source[axis] != 1 for axis in group[0])), key=first)
    ones = [group for group in found if group not in real]
    for group in real:
        before = [one for one in ones if found.index(one) < found.index(group)]
        order += [*before, group]
        ones = [one for one in ones if one not in before]
    order += ones
    return _flat(inside for inside, _ in order), _flat(outside for _, outside in order)


def _flat(parts: Iterable[list[int]]) -> Permutation:
    return tuple(axis for part in parts for axis in part)


def _known(shape: Shape) -> list[int]:
    return [size for size in shape if size is not None]
