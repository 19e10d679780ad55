"""These tests check the data tools: FER2013's known counts, found copies, and splits that do not leak."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import present

from fer_export.data import fer2013
from fer_export.errors import InvalidInputError, UsageError
from training.__main__ import main
from training.data import classes, copies, drawn, ferplus, inspection, sources, splits
from training.data import fer2013 as labelled
from training.data.faces import PRIVATE, PUBLIC, TRAINING, Faces, one_hot
from training.recipe import Data


def made(pixels: np.ndarray, labels: list[int], split: list[str]) -> Faces:
    """A data set by hand: uint8 [N, 48, 48]."""
    return Faces(
        name="made",
        protocol="by hand",
        labels=("a", "b", "c"),
        pixels=torch.from_numpy(pixels)[:, None],
        targets=one_hot(np.array(labels), 3),
        split=np.array(split),
        where=tuple(f"made, row {number}" for number in range(1, len(labels) + 1)),
    )


@pytest.fixture(scope="module")
def real() -> Faces:
    """The real FER2013, where it is beside the checkout."""
    return labelled.read_faces(present("data/fer2013.csv.xz").parent)


@pytest.fixture
def few() -> Faces:
    """Twelve drawn faces: four of Training with a copy in PublicTest, one pair with other labels, one flat."""
    pixels, _ = drawn.faces(12, seed=2)
    pixels[8:12] = pixels[0:4]
    pixels[5] = pixels[4]
    pixels[6] = 77
    labels = [0, 1, 2, 0, 1, 2, 0, 1, 0, 1, 2, 0]
    return made(pixels, labels, [TRAINING] * 8 + [PUBLIC] * 4)


# FER2013


def test_the_known_counts_of_fer2013(real: Faces) -> None:
    found = inspection.inspect(real, near=False)
    assert found.counts[TRAINING] == dict(zip(fer2013.LABELS, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True))
    assert found.counts[PUBLIC] == dict(zip(fer2013.LABELS, (467, 56, 496, 895, 653, 415, 607), strict=True))
    assert found.exact_rows == {TRAINING: 2271, PUBLIC: 52, f"{TRAINING} / {PUBLIC}": 280}
    # With PrivateTest, which is not here, the whole set has 1,516 groups, 57 with conflicts and 13 flat pictures.
    assert len(found.exact) == 1273
    assert len(found.conflicts) == 47
    assert len(found.flat) == 12


@pytest.mark.parametrize(("protocol", "train", "public"), [("majority", 25060, 3199), ("argmax", 28389, 3553)])
def test_rows_that_each_ferplus_protocol_keeps(real: Faces, protocol: str, train: int, public: int) -> None:
    faces = ferplus.faces(present("data"), protocol)
    assert len(faces) == len(real)
    assert [len(faces.of(split).labelled()) for split in (TRAINING, PUBLIC)] == [train, public]


def test_argmax_by_hand() -> None:
    votes = np.zeros((4, 10), np.int64)
    votes[0, [1, 2]] = 5, 4
    votes[1, [0, 1]] = 5, 5
    votes[2, 8] = 9
    votes[2, 3] = 1
    assert ferplus.argmax(votes).tolist() == [1, 0, -1, -1]


def rows(count: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 48 * 48))
    return [" ".join(map(str, row)) for row in pixels], pixels.reshape(count, 48, 48).astype(np.uint8)


@pytest.mark.parametrize("packed", ["", ".gz", ".xz", ".zip"])
@pytest.mark.parametrize("style", ["kaggle", "icml", "quoted", "windows"])
def test_every_form_that_the_file_is_found_in(tmp_path: Path, packed: str, style: str) -> None:
    texts, pixels = rows(5)
    header, line = (
        ("emotion,pixels,Usage", "{e},{p},{u}") if style != "icml" else ("emotion, Usage, pixels", "{e}, {u}, {p}")
    )
    if style == "quoted":
        line = '"{e}","{p}","{u}"'
    end = "\r\n" if style == "windows" else "\n"
    usage = [TRAINING, TRAINING, PUBLIC, TRAINING, PRIVATE]
    content = end.join([header, *(line.format(e=i, p=text, u=usage[i]) for i, text in enumerate(texts))]) + end
    path = tmp_path / f"fer2013.csv{packed}"
    if packed == ".zip":
        with zipfile.ZipFile(path := tmp_path / "archive.zip", "w") as archive:
            archive.writestr("data/fer2013.csv", content)
            archive.writestr("README.csv", "a,b\n")
    elif packed:
        import lzma

        with (gzip.open if packed == ".gz" else lzma.open)(path, "wt") as file:
            file.write(content)
    else:
        path.write_text(content, newline="")
    found = fer2013.read_csv(path)
    assert np.array_equal(found.pixels, pixels)
    assert found.emotions.tolist() == [0, 1, 2, 3, 4]
    assert found.usage.tolist() == usage
    assert labelled.read_faces(path.parent).where[1] == f"{path.name}, row 2"


def test_a_bad_row_deep_in_the_file_is_named(tmp_path: Path) -> None:
    texts, _ = rows(40)
    texts[33] = texts[33].rpartition(" ")[0]
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n" + "".join(f"0,{text},{TRAINING}\n" for text in texts))
    with pytest.raises(InvalidInputError, match="row 34: 2303 pixels"):
        fer2013.read_csv(path)


def test_bad_rows_are_skipped_where_that_is_asked_for_and_votes_still_fit(tmp_path: Path) -> None:
    texts, pixels = rows(5)
    texts[1] = texts[1].rpartition(" ")[0]
    path = tmp_path / "fer2013.csv"
    path.write_text(
        "emotion,pixels,Usage\n" + "".join(f"{9 if i == 3 else i},{t},{TRAINING}\n" for i, t in enumerate(texts))
    )
    with pytest.warns(fer2013.SkippedWarning) as told:
        faces = labelled.read_faces(path, skip_bad=True)
    assert ["row 2: 2303 pixels" in str(told[0].message), "row 4: emotion 9" in str(told[1].message)] == [True, True]
    assert faces.where == ("fer2013.csv, row 1", "fer2013.csv, row 3", "fer2013.csv, row 5")
    assert np.array_equal(faces.pixels[1, 0].numpy(), pixels[2])
    names = ",".join((*ferplus.LABELS, "unknown", "NF"))
    votes = [",".join("9" if column == row else "0" for column in range(10)) for row in range(5)]
    (tmp_path / "fer2013new.csv").write_text(
        f"Usage,Image name,{names}\n" + "".join(f"{TRAINING},a,{line}\n" for line in votes)
    )
    with pytest.warns(fer2013.SkippedWarning):
        joined = ferplus.faces(tmp_path, "majority", skip_bad=True)
    assert joined.classes.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe no line ends here", codecs.BOM_UTF8 + b"emotion,pixels,Usage", b"\0" * 99]
)
def test_a_file_that_is_something_else_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"fer2013\.csv"):
        fer2013.read_csv(path)


def test_a_byte_order_mark_does_not_hide_a_column(tmp_path: Path) -> None:
    texts, _ = rows(1)
    path = tmp_path / "fer2013.csv"
    path.write_bytes(codecs.BOM_UTF8 + f"emotion,pixels,Usage\n3,{texts[0]},{PUBLIC}\n".encode())
    assert fer2013.read_csv(path).emotions.tolist() == [3]


def test_a_zip_that_leaves_it_open_says_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.csv", "")
        archive.writestr("two.csv", "")
    with pytest.raises(InvalidInputError, match=r"one\.csv, two\.csv"):
        fer2013.read_csv(tmp_path / "a.zip")


def test_the_cache_follows_content_and_is_never_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "cache"))
    texts, pixels = rows(1)
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n" + f"3,{texts[0]},{TRAINING}\n" * 1200)
    first = fer2013.read_csv(path)
    (kept,) = (tmp_path / "cache").iterdir()
    parsed = fer2013.parse
    monkeypatch.setattr(fer2013, "parse", lambda *_, **__: pytest.fail("parsed although it is in the cache"))
    again = fer2013.read_csv(path)
    assert np.array_equal(first.pixels, again.pixels)
    assert len(fer2013.read_csv(path, limit=7).pixels) == 7
    monkeypatch.setattr(fer2013, "parse", parsed)
    kept.write_bytes(b"not an archive")
    assert np.array_equal(fer2013.read_csv(path).pixels[0], pixels[0])
    # Another file, although of the same name.
    path.write_text("emotion,pixels,Usage\n" + f"4,{texts[0]},{TRAINING}\n" * 1200)
    assert fer2013.read_csv(path).emotions[0] == 4
    monkeypatch.setenv("FER_EXPORT_CACHE", os.devnull + "/nowhere")
    assert fer2013.read_csv(path).emotions[0] == 4


def test_votes_in_another_order_are_refused(tmp_path: Path) -> None:
    texts, _ = rows(2)
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{texts[0]},{TRAINING}\n0,{texts[1]},{PUBLIC}\n")
    names = ",".join((*ferplus.LABELS, "unknown", "NF"))
    votes = ",".join(["5"] + ["0"] * 9)
    (tmp_path / "fer2013new.csv").write_text(f"Usage,Image name,{names}\n{PUBLIC},a,{votes}\n{TRAINING},b,{votes}\n")
    with pytest.raises(InvalidInputError, match="not in the same order"):
        ferplus.faces(tmp_path, "majority")
    (tmp_path / "fer2013new.csv").write_text(f"Usage,Image name,{names}\n{TRAINING},a,{votes}\n")
    with pytest.raises(InvalidInputError, match="only 1 rows of votes"):
        ferplus.faces(tmp_path, "majority")


# Copies


def test_exact_copies_conflicts_and_flat_pictures(few: Faces) -> None:
    found = inspection.inspect(few)
    assert found.exact == [[0, 8], [1, 9], [2, 10], [3, 11], [4, 5]]
    assert found.conflicts == [[4, 5]]
    assert found.flat == [6]
    assert found.exact_rows == {TRAINING: 2, PUBLIC: 0, f"{TRAINING} / {PUBLIC}": 4}
    assert copies.leaked(few, TRAINING, PUBLIC).tolist() == [True] * 4 + [False] * 8


def textured(count: int) -> np.ndarray:
    """Pictures that resemble each other no more than photos of different people: smooth random fields."""
    noise = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(4)) * 255
    return torch.nn.functional.interpolate(noise, 48, mode="bicubic").clamp(0, 255).byte()[:, 0].numpy()


@pytest.mark.parametrize(
    "change",
    ["mirrored", "brighter", "less contrast", "moved by a pixel", "noisy"],
)
def test_near_copies_are_found_and_strangers_are_not(change: str) -> None:
    pixels = textured(20)
    original = pixels[3].astype(np.float64)
    changed = {
        "mirrored": original[:, ::-1],
        "brighter": original + 30,
        "less contrast": original * 0.4 + 80,
        "moved by a pixel": np.pad(original, 1, mode="edge")[0:48, 2:50],
        "noisy": original + np.random.default_rng(0).normal(0, 6, (48, 48)),
    }[change]
    pixels[12] = changed.clip(0, 255)
    faces = made(pixels, [0] * 20, [TRAINING] * 10 + [PUBLIC] * 10)
    pairs = copies.near_pairs(faces)
    assert [(pair.first, pair.second, pair.mirrored) for pair in pairs] == [(3, 12, change == "mirrored")]
    assert np.flatnonzero(copies.leaked(faces, TRAINING, PUBLIC, near=True)).tolist() == [3]
    assert not copies.leaked(faces, TRAINING, PUBLIC).any()


def test_real_pictures_moved_by_a_pixel_are_found(real: Faces) -> None:
    some = real.rows(np.arange(len(real)) % 64 == 1)
    some = some.rows(~copies.flat(some))
    moved = np.pad(some.pixels.numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")[:, :, :48, :48]
    found = copies.copied(some, replace(some, pixels=torch.from_numpy(moved.copy())), near=True)
    assert found.mean() > 0.98


def test_inspection_counts_the_leaks_that_dropping_them_drops(real: Faces) -> None:
    some = real.rows(np.random.default_rng(0).random(len(real)) < 0.3)
    train, check = splits.by_usage(some)
    leaks = inspection.inspect(some).leaks
    assert leaks[f"{TRAINING} from {PUBLIC}"] == splits.drop_leaks(train, check, near=True)[1]
    assert leaks[f"{PUBLIC} from {TRAINING}"] == copies.copied(check, train, near=True).sum()


def test_the_copy_of_a_near_copy_leaks_too() -> None:
    pixels = textured(6)
    pixels[1] = pixels[0]
    pixels[4] = np.clip(pixels[0].astype(int) + 25, 0, 255)
    faces = made(pixels, [0] * 6, [TRAINING] * 3 + [PUBLIC] * 3)
    assert np.flatnonzero(copies.leaked(faces, TRAINING, PUBLIC, near=True)).tolist() == [0, 1]
    leaks = inspection.inspect(faces).leaks
    assert leaks == {f"{PUBLIC} from {TRAINING}": 1, f"{TRAINING} from {PUBLIC}": 2}


# Splits


def test_leaks_are_dropped_from_training(few: Faces) -> None:
    train, check = splits.by_usage(few)
    kept, dropped = splits.drop_leaks(train, check)
    assert dropped == 4
    assert not copies.copied(kept, check).any()
    assert len(splits.public_without_copies(train, check)) == 0


def test_public_test_without_copies(real: Faces) -> None:
    train, check = splits.by_usage(real)
    assert len(splits.public_without_copies(train, check)) == 3589 - 280


def test_a_shuffled_split_is_stratified_seeded_and_leaves_private_rows_alone() -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 10 + [0] * 10
    pixels = np.random.default_rng(0).integers(0, 256, (110, 48, 48)).astype(np.uint8)
    faces = made(pixels, labels, [TRAINING] * 70 + [PUBLIC] * 30 + [PRIVATE] * 10)
    train, check = splits.shuffled(faces, 0.2, seed=1)
    assert check.counts() == {"a": 12, "b": 6, "c": 2}
    assert not set(train.where) & set(check.where)
    assert len(train) + len(check) == 100
    assert PRIVATE not in {*train.split, *check.split}
    assert check.where == splits.shuffled(faces, 0.2, seed=1)[1].where
    assert check.where != splits.shuffled(faces, 0.2, seed=2)[1].where
    with pytest.raises(InvalidInputError, match="share"):
        splits.shuffled(faces, 1.5)


def test_copies_can_be_kept_on_one_side() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 48)).astype(np.uint8)
    pixels[20:] = pixels[:20]
    faces = made(pixels, [0] * 40, [TRAINING] * 40)
    apart = splits.shuffled(faces, 0.3)
    assert copies.copied(*apart).any()
    together = splits.shuffled(faces, 0.3, together=True)
    assert not copies.copied(*together).any()


# Classes


def test_merged_classes_and_their_votes() -> None:
    faces = made(np.zeros((3, 48, 48), np.uint8), [0, 1, 2], [TRAINING] * 3)
    faces = replace(faces, targets=torch.tensor([[0.5, 0.3, 0.2], [0, 1, 0], [0, 0, 1.0]]))
    merged = classes.merge(faces, {"ac": ["a", "c"]})
    assert merged.labels == ("ac", "b")
    torch.testing.assert_close(merged.targets, torch.tensor([[0.7, 0.3], [0, 1], [1, 0.0]]))
    with pytest.raises(InvalidInputError, match="no such class"):
        classes.merge(faces, {"ac": ["a", "z"]})
    with pytest.raises(InvalidInputError, match="of that name stays"):
        classes.merge(faces, {"b": ["a", "c"]})


def test_weights_of_rare_classes() -> None:
    targets = one_hot(np.array([0, 0, 0, 1]), 2)
    weights = classes.class_weights(targets)
    torch.testing.assert_close(weights, torch.tensor([0.5, 1.5]))
    drawn_rows = classes.row_weights(targets)
    assert drawn_rows[:3].sum() == pytest.approx(drawn_rows[3].item())
    with pytest.raises(InvalidInputError, match="no row is labelled b"):
        classes.class_weights(one_hot(np.array([0, 0]), 2), ("a", "b"))


# What a recipe asks for


def test_soft_votes_are_trained_on_and_majority_is_checked() -> None:
    split = sources.load_split(Data(kind="ferplus", protocol="soft"), {"main": present("data")})
    assert len(split.check) == 3199
    assert set(split.check.targets.unique().tolist()) == {0.0, 1.0}
    assert len(split.train.targets.unique()) > 10
    assert "majority" in split.check.protocol


def test_a_recipe_can_drop_leaks_and_merge() -> None:
    data = Data(kind="fer2013", drop_leaks="exact", merge={"angry": ("angry", "disgust")})
    split = sources.load_split(data, {"main": present("data")})
    assert split.train.labels == split.check.labels == ("angry", "fear", "happy", "sad", "surprise", "neutral")
    assert not copies.copied(split.train, split.check).any()
    assert "left out" in split.notes[0]


def test_labels_of_another_order_find_their_place() -> None:
    faces = replace(
        made(np.zeros((2, 48, 48), np.uint8), [0, 1], [TRAINING] * 2), labels=("happiness", "anger", "fear")
    )
    split = sources.relabelled(sources.Split(faces, faces, PUBLIC), fer2013.LABELS)
    assert [split.train.labels[row] for row in split.train.classes.tolist()] == ["happy", "angry"]
    with pytest.raises(InvalidInputError, match="contempt"):
        sources.relabelled(sources.Split(*[replace(faces, labels=("contempt", "b", "c"))] * 2, PUBLIC), fer2013.LABELS)


def test_unknown_kinds_and_missing_places() -> None:
    with pytest.raises(UsageError, match="has to be somewhere"):
        sources.load_faces("fer2013", None)
    with pytest.raises(UsageError, match="no data of the kind"):
        sources.load_faces("imagenet", Path())
    with pytest.raises(UsageError, match="named wild"):
        sources.load_split(Data(kind="folder", source="wild"), {"main": Path()})


# The commands


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_inspect_leaves_a_table_a_json_and_a_sheet(tmp_path: Path) -> None:
    texts, _ = rows(8)
    texts[5] = texts[1]
    lines = [f"{i % 7},{text},{TRAINING if i < 4 else PUBLIC}" for i, text in enumerate(texts)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    code, text = invoke("data", "inspect", tmp_path, "-o", tmp_path / "found")
    assert code == 0
    assert "1 rows of PublicTest with a copy in Training" in text
    found = json.loads((tmp_path / "found" / "inspection.json").read_text())
    assert found["exact_copies"]["where"] == [["fer2013.csv, row 2", "fer2013.csv, row 6"]]
    assert found["conflicting_labels"]["groups"] == 1
    assert (tmp_path / "found" / "contact_sheet.png").stat().st_size > 1000
    code, text = invoke("data", "inspect", tmp_path, "-o", tmp_path / "found", "--json", "--no-near")
    assert json.loads(text)["counts"] == found["counts"]
    code, text = invoke("data", "inspect", tmp_path / "nowhere")
    assert code == 4
    assert text.startswith("error: ")


def test_parse_time_compares_on_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    texts, _ = rows(20)
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n" + "".join(f"0,{text},{TRAINING}\n" for text in texts))
    code, text = invoke("data", "parse-time", path, "--json")
    assert code == 0
    found = json.loads(text)
    assert found["rows"] == 20
    assert found["pandas_to_parse"] == pytest.approx(found["pandas"] / found["parse"])


def test_a_csv_with_a_column_a_pixel_is_one_short_line(tmp_path: Path) -> None:
    header = ",".join(["emotion", *(f"pixel{number}" for number in range(48 * 48))])
    (tmp_path / "fer2013.csv").write_text(f"{header}\n")
    with pytest.raises(InvalidInputError) as caught:
        sources.load_faces("fer2013", tmp_path)
    assert len(caught.value.reason) < 300
    assert "emotion, pixel0, pixel1, pixel2, pixel3 and 2,300 more" in caught.value.reason
    hint = caught.value.hint or ""
    assert "competitions/challenges-in-representation-learning-facial-expression-recognition-challenge" in hint
