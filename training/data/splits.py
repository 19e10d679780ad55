"""This module splits rows into those to train on and those to check.

PrivateTest is in neither, since it is for the final measurement.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from fer_export.errors import InvalidInputError
from training.data import copies
from training.data.faces import PUBLIC, TRAINING, Faces


def by_usage(faces: Faces) -> tuple[Faces, Faces]:
    """Split into Training and PublicTest, as the data set itself does.

    Raises:
        InvalidInputError: one of them has no row.
    """
    return faces.of(TRAINING), faces.of(PUBLIC)


def shuffled(faces: Faces, share: float = 0.2, seed: int = 0, *, together: bool = False) -> tuple[Faces, Faces]:
    """Pool Training and PublicTest, shuffle them and split them again, each class by the same share.

    This is the 80/20 protocol that many FER2013 notebooks report. Its accuracy is optimistic: FER2013 holds
    many pictures more than once, and the copies often fall on both sides. `together` prevents that.

    Args:
        faces: labelled pictures. PrivateTest rows are left out.
        share: share of the rows to check, 0 < share < 1.
        seed: seed of the shuffle.
        together: keep exact copies on one side. The published protocol does not.

    Returns:
        The rows to train on and those to check, both in the data set's order; `split` still says
        where each came from.

    Raises:
        InvalidInputError: the share is outside 0–1, or leaves a side empty.
    """
    if not 0 < share < 1:
        raise InvalidInputError(f"share {share:g} of the rows cannot be checked", hint="a number between 0 and 1")
    pool = np.isin(faces.split, (TRAINING, PUBLIC))
    units = [[row] for row in np.flatnonzero(pool).tolist()]
    if together:
        units = _with_copies(faces, pool)
    classes = faces.classes.numpy()
    by_class: dict[int, list[list[int]]] = defaultdict(list)
    for unit in units:
        by_class[int(classes[unit[0]])].append(unit)
    generator = np.random.default_rng(seed)
    check = np.zeros(len(faces), bool)
    for _, members in sorted(by_class.items()):
        wanted = round(share * sum(map(len, members)))
        taken = 0
        for index in generator.permutation(len(members)):
            if taken >= wanted:
                break
            check[members[index]] = True
            taken += len(members[index])
    train = pool & ~check
    if not train.any() or not check.any():
        raise InvalidInputError(f"{faces.name}: {pool.sum()} rows are too few for a share of {share:g}")
    return faces.rows(train), faces.rows(check)


def drop_leaks(train: Faces, check: Faces, near: bool = False) -> tuple[Faces, int]:
    """Return the training rows without those that copy a checked row, and how many those were.

    Args:
        train: rows to train on.
        check: rows to check.
        near: count near copies too, as `copies.near_pairs` finds them.
    """
    leaks = copies.copied(train, check, near=near)
    return train.rows(~leaks), int(leaks.sum())


def public_without_copies(train: Faces, check: Faces, near: bool = False) -> Faces:
    """Return the checked rows that copy no training row, for the accuracy that is given beside the published one.

    Args:
        train: rows to train on.
        check: rows to check.
        near: also leave out near copies.
    """
    return check.rows(~copies.copied(check, train, near=near))


def _with_copies(faces: Faces, pool: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[list[int]]:
    """Return the rows of the pool as lists, exact copies together in one list."""
    places = np.flatnonzero(pool).tolist()
    groups = [[places[index] for index in group] for group in copies.exact_groups(faces.rows(pool))]
    grouped = {row for group in groups for row in group}
    return [*groups, *([row] for row in places if row not in grouped)]
