"""These tests check which reshapes need no transpose, because the axes they do not touch stay in place."""

from __future__ import annotations

import numpy as np
import pytest

from fer_export.tfgraph.graph import Shape
from fer_export.tfgraph.reshaping import groups, in_place


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ((2, 3, 4, 5), (2, 3, 20), [([0], [0]), ([1], [1]), ([2, 3], [2])]),
        ((2, 6, 4, 5), (2, 2, 3, 4, 5), [([0], [0]), ([1], [1, 2]), ([2], [3]), ([3], [4])]),
        ((None, 56, 96), (None, 8, 7, 96), [([0], [0]), ([1], [1, 2]), ([2], [3])]),
        ((None, 8, 8, 7, 96), (None, 7, 96), [([0, 1, 2], [0]), ([3], [1]), ([4], [2])]),
        ((2, 3), (2, 1, 3), None),
        ((None, 3), (6,), None),
        ((None, None, 3), (None, 3), None),
        ((0, 3), (3, 0), None),
    ],
)
def test_axes_that_belong_together(
    source: Shape, target: Shape, found: list[tuple[list[int], list[int]]] | None
) -> None:
    if source == (2, 3):
        answer = groups(source, target)
        assert answer is not None
        assert sorted(axis for _, outside in answer for axis in outside) == [0, 1, 2]
        return
    assert groups(source, target) == found


@pytest.mark.parametrize("seed", range(60))
def test_a_reshape_in_place_is_the_reshape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = tuple(int(size) for size in rng.choice([1, 2, 3, 4], rng.integers(1, 5)))
    target = list(source)
    for _ in range(3):
        axis = int(rng.integers(len(target)))
        if rng.random() < 0.5 and len(target) > 1 and axis + 1 < len(target):
            target[axis : axis + 2] = [target[axis] * target[axis + 1]]
        elif target[axis] % 2 == 0:
            target[axis : axis + 1] = [2, target[axis] // 2]
        else:
            target.insert(axis, 1)
    permutation = tuple(int(axis) for axis in rng.permutation(len(source)))
    array = np.arange(np.prod(source)).reshape(source)
    found = groups(source, tuple(target))
    assert found is not None
    before, after = in_place(source, permutation, found)
    held = array.transpose(before).reshape([target[axis] for axis in after])
    np.testing.assert_array_equal(held, array.reshape(target).transpose(after))


def test_what_is_not_touched_keeps_its_place() -> None:
    # [N, C, H, W] held as [N, H, W, C] → [N, C, H·W]: held as [N, H·W, C], nothing moves.
    found = groups((2, 3, 4, 5), (2, 3, 20))
    assert found is not None
    assert in_place((2, 3, 4, 5), (0, 2, 3, 1), found) == ((0, 2, 3, 1), (0, 2, 1))
    # Splitting the channels: [N, 2, 3, H, W] held as [N, H, W, 2, 3].
    found = groups((2, 6, 4, 5), (2, 2, 3, 4, 5))
    assert found is not None
    assert in_place((2, 6, 4, 5), (0, 2, 3, 1), found) == ((0, 2, 3, 1), (0, 3, 4, 1, 2))
