"""These tests check FER2013 and FER+ as they are distributed: known counts, other column orders, and invalid files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import present

from fer_export.data import fer2013
from fer_export.errors import InvalidInputError
from training.data import ferplus


def test_ferplus_joined_to_fer2013(fer2013_csv: Path) -> None:
    votes = ferplus.read_votes(fer2013_csv.parent / "fer2013new.csv")
    public = slice(28709, 28709 + 3589)
    classes = ferplus.majority(votes[public])
    # The number of rows that Microsoft's protocol keeps of PublicTest.
    assert (classes >= 0).sum() == 3199
    faces = fer2013.read_csv(fer2013_csv, usage="PublicTest")
    # Where both say happy they agree far more often than chance: the rows are joined as they should be.
    happy = classes == ferplus.LABELS.index("happiness")
    assert (faces.emotions[happy] == fer2013.LABELS.index("happy")).mean() > 0.9


def test_ferplus_protocols_by_hand() -> None:
    votes = np.array(
        [
            [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # clear majority
            [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # none has more than half
            [5, 1, 1, 1, 1, 1, 0, 0, 0, 0],  # single votes dropped: 5 of 5
            [0, 0, 0, 0, 0, 0, 0, 0, 9, 1],  # unknown
            [0, 2, 0, 0, 0, 0, 0, 0, 0, 8],  # not a face
            [5, 0, 5, 0, 0, 0, 0, 0, 0, 0],  # exactly half is not more than half
        ]
    )
    assert ferplus.majority(votes).tolist() == [0, -1, 0, -1, -1, -1]
    soft = ferplus.soft(votes)
    np.testing.assert_allclose(soft[0, :2], [0.6, 0.4])
    np.testing.assert_allclose(soft[2], np.eye(8)[0])
    assert soft[3].sum() == soft[4].sum() == 0
    np.testing.assert_allclose(soft.sum(1), [1, 1, 1, 0, 0, 1], rtol=1e-6)


PIXELS = " ".join(["7"] * 2304)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("emotion,Usage\n0,Training\n", "no column 'pixels'"),
        (f"emotion,pixels,Usage\n0,{PIXELS} 7,Training\n", "row 1: 2305 pixels"),
        (f"emotion,pixels,Usage\n0,{PIXELS},Training\n0,{PIXELS[2:]},Training\n", "row 2: 2303 pixels"),
        (f"emotion,pixels,Usage\n9,{PIXELS},Training\n", "row 1: emotion 9"),
        (f"emotion,pixels,Usage\nhappy,{PIXELS},Training\n", "row 1: emotion 'happy'"),
        (f"emotion,pixels,Usage\n0,300 {PIXELS[2:]},Training\n", "outside 0–255"),
        (f"emotion,pixels,Usage\n0,x {PIXELS[2:]},Training\n", "not numbers|pixels"),
        ("emotion,pixels,Usage\n", "holds no row"),
        ("", "no column 'pixels'"),
        (f"emotion,pixels,Usage\n0,{PIXELS}\n", "row 1: 2 fields"),
    ],
)
def test_bad_fer2013_names_file_and_row(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=says) as caught:
        fer2013.read_csv(path)
    assert str(path) in caught.value.reason


def test_a_broken_archive_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv.xz"
    path.write_bytes(b"not an archive")
    with pytest.raises(InvalidInputError, match="cannot read"):
        fer2013.read_csv(path)


def test_columns_in_another_order_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "icml_face_data.csv"
    path.write_text(f"emotion, Usage, pixels\n3, PublicTest, {PIXELS}\n")
    faces = fer2013.read_csv(path)
    assert faces.usage.tolist() == ["PublicTest"]
    assert faces.emotions.tolist() == [3]


def test_the_real_file_has_the_known_counts(fer2013_csv: Path) -> None:
    present("data/fer2013new.csv")
    faces = fer2013.read_csv(fer2013_csv, usage="PublicTest")
    assert len(faces.pixels) == 3589
    assert np.bincount(faces.emotions).tolist() == [467, 56, 496, 895, 653, 415, 607]
