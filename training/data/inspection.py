"""This module inspects a data set before it is trusted: counts, copies, conflicting labels and flat pictures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from training.data import copies
from training.data.copies import Pair
from training.data.faces import PRIVATE, PUBLIC, TRAINING, Faces

_ORDER = {name: index for index, name in enumerate((TRAINING, PUBLIC, PRIVATE))}


@dataclass(frozen=True)
class Inspection:
    """Hold what an inspection found.

    Attributes:
        name, protocol: those of the data set.
        counts: split → label → rows; rows without a label are under "none".
        exact: groups of rows with the same pixels, of two and more rows each.
        near: pairs of nearly the same picture, exact copies counted once.
        conflicts: those exact groups whose rows have different labels.
        flat: rows that show one colour only.
        exact_rows, near_rows: "split" or "split / other" → rows that have a copy there: for "Training / PublicTest"
            the rows of PublicTest with a copy in Training.
        leaks: "other from one" for every two splits → rows of `other` whose picture is in `one`, exactly or nearly.
    """

    name: str
    protocol: str
    counts: dict[str, dict[str, int]]
    exact: list[list[int]]
    near: list[Pair]
    conflicts: list[list[int]]
    flat: list[int]
    exact_rows: dict[str, int]
    near_rows: dict[str, int]
    leaks: dict[str, int]

    def record(self, faces: Faces) -> dict[str, Any]:
        """Return the findings for JSON, with rows named by where they come from."""
        return {
            "data": self.name,
            "protocol": self.protocol,
            "counts": self.counts,
            "exact_copies": {
                "groups": len(self.exact),
                "rows": sum(map(len, self.exact)),
                "by_split": self.exact_rows,
                "where": [[faces.where[row] for row in group] for group in self.exact],
            },
            "near_copies": {
                "pairs": len(self.near),
                "threshold": copies.THRESHOLD,
                "by_split": self.near_rows,
                "where": [
                    {
                        "rows": [faces.where[pair.first], faces.where[pair.second]],
                        "correlation": round(pair.score, 4),
                        "mirrored": pair.mirrored,
                    }
                    for pair in self.near
                ],
            },
            "conflicting_labels": {
                "groups": len(self.conflicts),
                "where": [{faces.where[row]: label_of(faces, row) for row in group} for group in self.conflicts],
            },
            "leaks": self.leaks,
            "flat": [faces.where[row] for row in self.flat],
        }


def inspect(faces: Faces, *, near: bool = True) -> Inspection:
    """Inspect every row.

    Args:
        faces: all splits together.
        near: look for near copies too, which takes about 15 s for FER2013.
    """
    exact = copies.exact_groups(faces)
    pairs = copies.near_pairs(faces) if near else []
    return Inspection(
        name=faces.name,
        protocol=faces.protocol,
        counts=_counts(faces),
        exact=exact,
        near=pairs,
        conflicts=[group for group in exact if len({label_of(faces, row) for row in group} - {"none"}) > 1],
        flat=np.flatnonzero(copies.flat(faces)).tolist(),
        exact_rows=_by_split(faces, exact),
        near_rows=_by_split(faces, [[pair.first, pair.second] for pair in pairs]),
        leaks=_leaks(faces, exact, pairs),
    )


def label_of(faces: Faces, row: int) -> str:
    """Return the label of a row; "none" where it has none."""
    chosen = int(faces.classes[row])
    return faces.labels[chosen] if chosen >= 0 else "none"


def _counts(faces: Faces) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for split in _splits(faces):
        rows = faces.of(split)
        without = int((rows.classes < 0).sum())
        found[split] = {**rows.counts(), **({"none": without} if without else {})}
    return found


def _by_split(faces: Faces, groups: list[list[int]]) -> dict[str, int]:
    """Count rows that have a copy in the same split, and rows of a later split that have one in an earlier."""
    across: dict[tuple[str, str], set[int]] = {}
    within: dict[str, set[int]] = {}
    for group in groups:
        by: dict[str, list[int]] = {}
        for row in group:
            by.setdefault(str(faces.split[row]), []).append(row)
        for split, rows in by.items():
            if len(rows) > 1:
                within.setdefault(split, set()).update(rows)
        for one, other in combinations(sorted(by, key=_rank), 2):
            across.setdefault((one, other), set()).update(by[other])
    splits = _splits(faces)
    return {
        **{split: len(within.get(split, ())) for split in splits},
        **{
            f"{one} / {other}": len(across.get((one, other), ()))
            for one, other in combinations(sorted(splits, key=_rank), 2)
        },
    }


def _leaks(faces: Faces, exact: list[list[int]], pairs: list[Pair]) -> dict[str, int]:
    """Count the rows of each split that have an exact or a near copy in another one."""
    alike: dict[int, set[int]] = {}
    for rows in [*exact, *([pair.first, pair.second] for pair in pairs)]:
        for row in rows:
            alike.setdefault(row, set()).update(rows)
    # Near pairs name only the first row of each exact group, so its matches are given to the whole group.
    for group in exact:
        everything = set().union(*(alike[row] for row in group))
        for row in everything - set(group):
            alike[row].update(group)
        for row in group:
            alike[row] = everything
    names = faces.split.tolist()
    found = {f"{other} from {one}": 0 for one in _splits(faces) for other in _splits(faces) if one != other}
    for row, others in alike.items():
        for one in {names[other] for other in others} - {names[row]}:
            found[f"{names[row]} from {one}"] += 1
    return found


def _splits(faces: Faces) -> list[str]:
    return sorted(set(faces.split.tolist()), key=_rank)


def _rank(split: str) -> tuple[int, str]:
    return _ORDER.get(split, len(_ORDER)), split
