"""These tests check that image folders and PASCAL VOC are read as they are, and that errors name the file."""

from __future__ import annotations

import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import ROOT, make_checkpoint
from PIL import Image

from fer_export.errors import FerExportError, InvalidInputError, UsageError
from fer_export.faces.align import crop
from fer_export.faces.boxes import iou
from fer_export.faces.cascade import detect
from fer_export.faces.face import Face
from fer_export.faces.photo import load_photo
from training.data import folder, pictures, voc
from training.data.aliases import CANONICAL, canonical, in_order
from training.data.faces import PRIVATE, PUBLIC, TRAINING, Faces
from training.data.pictures import SkippedWarning

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"


def noise(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape or (48, 48), np.uint8)


def save(path: Path, pixels: npt.NDArray[np.uint8], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def fill(root: Path, **classes: int) -> Path:
    """So many pictures for each class, all different."""
    for index, (name, count) in enumerate(classes.items()):
        for number in range(count):
            save(root / name / f"{number}.png", noise(1000 * index + number))
    return root


def contents(faces: Faces, split: str) -> set[bytes]:
    return {row.numpy().tobytes() for row in faces.of(split).pixels}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Anger", "angry"), ("happiness", "happy"), ("happy1", "happy"), ("Happy_2", "happy"), ("sadness", "sad"),
        ("SURPRISED", "surprise"), ("fearful", "fear"), ("neutrality", "neutral"), ("contemptuous", "contempt"),
        ("0_angry", "angry"), ("03 - Disgusted", "disgust"), (" sad (3) ", "sad"),
        ("0", "0"), ("Smug", "smug"), ("4_smug", "4_smug"), ("happyish", "happyish"),
    ],
)  # fmt: skip
def test_every_name_of_an_emotion_has_one_canonical_name(name: str, wanted: str) -> None:
    assert canonical(name) == wanted


def test_labels_are_in_fer2013s_order_and_then_by_alphabet() -> None:
    assert in_order(["zen", "contempt", "sad", "angry", "bored", "sad"]) == ("angry", "sad", "contempt", "bored", "zen")
    assert in_order(reversed(CANONICAL)) == CANONICAL


def test_pictures_of_the_right_size_come_out_as_they_are(tmp_path: Path) -> None:
    save(tmp_path / "train" / "anger" / "a.png", noise(1))
    save(tmp_path / "train" / "angry" / "deep" / "b.bmp", noise(2))
    save(tmp_path / "train" / "joy" / "c.pgm", noise(3))
    save(tmp_path / "val" / "Happy" / "d.png", noise(4))
    faces = folder.read_faces(tmp_path)
    assert faces.labels == ("angry", "happy")
    assert faces.where == ("train/anger/a.png", "train/angry/deep/b.bmp", "train/joy/c.pgm", "val/Happy/d.png")
    assert faces.classes.tolist() == [0, 0, 1, 1]
    assert faces.split.tolist() == [TRAINING, TRAINING, TRAINING, PUBLIC]
    assert faces.pixels.dtype == torch.uint8
    np.testing.assert_array_equal(faces.pixels[:, 0], np.stack([noise(seed) for seed in (1, 2, 3, 4)]))


def test_colour_turns_gray_by_bt601_or_stays(tmp_path: Path) -> None:
    pixels = noise(5, 20, 20, 3)
    save(tmp_path / "happy" / "a.png", pixels)
    gray = folder.read_faces(tmp_path, size=20).pixels[0, 0].double().numpy()
    np.testing.assert_allclose(gray, pixels @ np.array([0.299, 0.587, 0.114]), atol=0.51)
    rgb = folder.read_faces(tmp_path, size=20, channels=3).pixels[0]
    np.testing.assert_array_equal(rgb.permute(1, 2, 0), pixels)


def test_a_wide_picture_gives_its_centre_square(tmp_path: Path) -> None:
    pixels = noise(6, 30, 51)
    save(tmp_path / "happy" / "a.png", pixels)
    np.testing.assert_array_equal(folder.read_faces(tmp_path, size=30).pixels[0, 0], pixels[:, 10:40])


def test_reduction_does_not_alias(tmp_path: Path) -> None:
    """Stripes finer than the grid become their mean."""
    save(tmp_path / "happy" / "a.png", np.tile(np.array([0, 200], np.uint8), (480, 240)))
    inside = folder.read_faces(tmp_path).pixels[0, 0, :, 2:-2].double()
    assert (inside - 100).abs().max() <= 2


def test_exif_orientation_is_respected(tmp_path: Path) -> None:
    pixels = noise(7, 40, 40)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "happy" / "a.png", np.rot90(pixels).copy(), exif=exif)
    np.testing.assert_array_equal(folder.read_faces(tmp_path, size=40).pixels[0, 0], pixels)


def test_test_alone_validates_and_beside_validation_is_kept_for_the_end(tmp_path: Path) -> None:
    for part in ("Train", "test"):
        fill(tmp_path / part, happy=2)
    assert folder.read_faces(tmp_path).split.tolist() == [TRAINING] * 2 + [PUBLIC] * 2
    fill(tmp_path / "validation", happy=1)
    assert folder.read_faces(tmp_path).split.tolist() == [TRAINING] * 2 + [PRIVATE] * 2 + [PUBLIC]


def test_the_share_is_stratified_and_seeded(tmp_path: Path) -> None:
    fill(tmp_path, happy=60, sad=20, disgust=3, fear=1)
    faces = folder.read_faces(tmp_path, share=0.2)
    assert faces.of(PUBLIC).counts() == {"disgust": 1, "fear": 0, "happy": 12, "sad": 4}
    assert contents(faces, PUBLIC) == contents(folder.read_faces(tmp_path, share=0.2), PUBLIC)
    assert contents(faces, PUBLIC) != contents(folder.read_faces(tmp_path, share=0.2, seed=1), PUBLIC)
    assert (folder.read_faces(tmp_path, share=0).split == TRAINING).all()


def test_the_side_depends_on_content_not_on_names_or_order(tmp_path: Path) -> None:
    fill(tmp_path / "a", happy=30, sad=30)
    for path in (tmp_path / "a").rglob("*.png"):
        number = 997 - int(path.stem)
        save(tmp_path / "b" / path.parent.name / f"renamed{number}.bmp", np.asarray(Image.open(path)))
    first, second = (folder.read_faces(tmp_path / name, share=0.3) for name in "ab")
    assert contents(first, PUBLIC) == contents(second, PUBLIC)
    small = folder.read_faces(tmp_path / "a", share=0.3, size=24)
    assert small.split.tolist() == first.split.tolist()


def test_copies_stay_on_one_side_even_with_another_label(tmp_path: Path) -> None:
    for number in range(40):
        pixels = noise(number)
        save(tmp_path / "happy" / f"{number}.png", pixels)
        save(tmp_path / "happy" / f"copy{99 - number}.bmp", np.stack([pixels] * 3, 2))
        if number % 4 == 0:
            save(tmp_path / "sad" / f"x{number}.png", pixels)
    for seed in range(5):
        faces = folder.read_faces(tmp_path, share=0.4, seed=seed)
        assert not contents(faces, PUBLIC) & contents(faces, TRAINING)
        assert 0.3 < (faces.split == PUBLIC).mean() < 0.5


def cut_short(path: Path) -> Path:
    save(path, noise(8, 64, 64, 3))
    path.write_bytes(path.read_bytes()[:900])
    return path


def test_an_unreadable_jpeg_is_named_or_skipped_and_listed(tmp_path: Path) -> None:
    fill(tmp_path, happy=3)
    bad = cut_short(tmp_path / "happy" / "1a.jpg")
    with pytest.raises(InvalidInputError, match=r"1a\.jpg is damaged"):
        folder.read_faces(tmp_path)
    with pytest.warns(SkippedWarning, match=r"1a\.jpg is damaged") as listed:
        faces = folder.read_faces(tmp_path, skip_bad=True)
    assert len(listed) == 1
    assert faces.where == ("happy/0.png", "happy/1.png", "happy/2.png")
    np.testing.assert_array_equal(faces.pixels[:, 0], np.stack([noise(seed) for seed in range(3)]))
    shutil.move(bad, save(tmp_path / "sad" / "1.png", noise(1)))
    with pytest.warns(SkippedWarning), pytest.raises(InvalidInputError, match="class sad is empty"):
        folder.read_faces(tmp_path, skip_bad=True)


def test_after_an_error_nothing_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, happy=300)
    cut_short(tmp_path / "happy" / "0.jpg")
    seen: list[Path] = []
    monkeypatch.setattr(folder, "load_photo", lambda path: seen.append(path) or time.sleep(0.002) or load_photo(path))
    # The error is kept, and with it the frames of its traceback, as a caller may keep them.
    with pytest.raises(InvalidInputError) as caught:
        folder.read_faces(tmp_path)
    started = len(seen)
    time.sleep(0.05)
    assert "damaged" in caught.value.reason
    assert len(seen) == started < 100


def test_what_is_no_folder_of_classes_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no folder"):
        folder.read_faces(tmp_path / "nowhere")
    file = save(tmp_path / "loose.png", noise(1))
    with pytest.raises(InvalidInputError, match="is not a folder"):
        folder.read_faces(file)
    with pytest.raises(InvalidInputError, match="holds no folder of a class") as caught:
        folder.read_faces(tmp_path)
    assert "<class>" in str(caught.value.hint)
    fill(tmp_path / "train", happy=1)
    (tmp_path / "train" / "fear").mkdir()
    (tmp_path / "train" / "fear" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="fear is an empty class"):
        folder.read_faces(tmp_path)
    fill(tmp_path / "train", fear=1)
    fill(tmp_path / "val", smug=1)
    with pytest.raises(InvalidInputError, match="val/smug is a class that train does not have"):
        folder.read_faces(tmp_path)
    fill(tmp_path, extra=1)
    with pytest.raises(InvalidInputError, match="folder extra beside train"):
        folder.read_faces(tmp_path)


@pytest.mark.parametrize("settings", [{"size": 4}, {"channels": 2}, {"share": 1.0}, {"share": -0.1}])
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, float]) -> None:
    for read in (folder.read_faces, voc.read_faces):
        with pytest.raises(UsageError):
            read(fill(tmp_path, happy=1), **settings)  # type: ignore[arg-type]


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    folder.read_faces(fill(tmp_path, happy=3), progress=lambda done, count: calls.append((done, count)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


# PASCAL VOC


def annotate(
    root: Path, stem: str, pixels: npt.NDArray[np.uint8], *objects: tuple[str, tuple[float, ...]], **changes: str
) -> Path:
    """A photo and its XML in VOC's layout; boxes as VOC writes them. `changes` replace parts of the XML."""
    save(root / "JPEGImages" / f"{stem}.png", pixels)
    height, width = pixels.shape[:2]
    nodes = "".join(
        f"<object><name>{label}</name><bndbox>"
        + "".join(f"<{key}>{value:g}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        + "</bndbox></object>"
        for label, box in objects
    )
    text = (
        f"<annotation><filename>{stem}.png</filename><size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>{nodes}</annotation>"
    )
    for old, new in changes.items():
        assert f"<{old}>" in text
        start, end = text.index(f"<{old}>"), text.index(f"</{old}>") + len(old) + 3
        text = text[:start] + new + text[end:]
    path = root / "Annotations" / f"{stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_voc_counts_from_one_with_both_ends_inside(tmp_path: Path) -> None:
    pixels = noise(9, 60, 80, 3)
    annotate(tmp_path, "p", pixels, ("Happiness", (11, 6, 30, 25)), ("0_anger", (61, 41, 80, 60)))
    faces = voc.read_faces(tmp_path, size=20, channels=3)
    assert faces.labels == ("angry", "happy")
    assert faces.classes.tolist() == [1, 0]
    assert faces.where == ("Annotations/p.xml, object 1", "Annotations/p.xml, object 2")
    np.testing.assert_array_equal(faces.pixels[0].permute(1, 2, 0), pixels[5:25, 10:30])
    np.testing.assert_array_equal(faces.pixels[1].permute(1, 2, 0), pixels[40:60, 60:80])


def test_a_box_gives_the_deployed_square(tmp_path: Path) -> None:
    photo = load_photo(PORTRAIT)
    annotate(tmp_path, "p", photo, ("happy", (91, 51, 160, 150)))
    wanted = crop(photo, Face((90.0, 50.0, 160.0, 150.0)), make_checkpoint(widths=(8, 16, 24)).contract)
    np.testing.assert_array_equal(voc.read_faces(tmp_path).pixels[0], wanted.round())


def loose_box(photo: npt.NDArray[np.uint8]) -> tuple[Face, tuple[float, ...]]:
    face = detect(photo)[0]
    x1, y1, x2, y2 = face.box
    box = (round(x1) - 12, round(y1) - 5, round(x2) + 14, round(y2) + 9)
    assert iou(np.array([face.box]), np.array([box], np.float64))[0, 0] < 0.9
    return face, box


def test_alignment_crops_by_the_landmarks_of_the_face_in_the_box(tmp_path: Path) -> None:
    photo = load_photo(PORTRAIT)
    face, box = loose_box(photo)
    annotate(tmp_path, "p", photo, ("happy", box))
    faces = voc.read_faces(tmp_path, crop="align")
    wanted = crop(photo, face, make_checkpoint(widths=(8, 16, 24)).contract)
    np.testing.assert_array_equal(faces.pixels[0], wanted.round())
    # The template grows with the grid: the large crop, reduced, is the small one.
    large = voc.read_faces(tmp_path, crop="align", size=96).pixels.float()
    reduced = torch.nn.functional.avg_pool2d(large, 2)
    assert (reduced - faces.pixels.float()).abs().mean() < 1.5


def test_each_of_two_faces_is_aligned_in_its_own_box(tmp_path: Path) -> None:
    photo = load_photo(PORTRAIT)
    canvas = np.full((photo.shape[0] + 40, 2 * photo.shape[1], 3), 128, np.uint8)
    canvas[:-40, : photo.shape[1]] = photo
    canvas[40:, photo.shape[1] :] = photo[:, ::-1]
    left, right = sorted(detect(canvas), key=lambda face: face.box[0])
    boxes = [tuple(round(value) for value in (x1 + 1, y1 + 1, x2, y2)) for x1, y1, x2, y2 in (right.box, left.box)]
    annotate(tmp_path, "p", canvas, ("sad", boxes[0]), ("happy", boxes[1]))
    faces = voc.read_faces(tmp_path, crop="align")
    contract = make_checkpoint(widths=(8, 16, 24)).contract
    wanted = np.stack([crop(canvas, face, contract) for face in (right, left)]).round()
    assert [faces.labels[label] for label in faces.classes.tolist()] == ["sad", "happy"]
    np.testing.assert_array_equal(faces.pixels, wanted)
    assert np.abs(wanted[0] - wanted[1]).mean() > 5


def test_alignment_without_a_face_in_the_box_does_not_fall_back_silently(tmp_path: Path) -> None:
    photo = load_photo(PORTRAIT)
    _, box = loose_box(photo)
    annotate(tmp_path, "p", photo, ("sad", (1, 1, 40, 40)), ("happy", box))
    with pytest.raises(InvalidInputError, match=r"p\.xml, object 1: MTCNN finds no face"):
        voc.read_faces(tmp_path, crop="align")
    with pytest.warns(SkippedWarning, match=r"p\.xml, object 1: MTCNN finds no face"):
        faces = voc.read_faces(tmp_path, crop="align", skip_bad=True)
    assert faces.where == ("Annotations/p.xml, object 2",)
    assert faces.labels == ("happy",)


def test_one_found_face_is_not_given_to_two_labels(tmp_path: Path) -> None:
    photo = load_photo(PORTRAIT)
    _, (x1, y1, x2, y2) = loose_box(photo)
    annotate(tmp_path, "p", photo, ("sad", (x1, y1 - 30, x2, y2 - 30)), ("happy", (x1, y1, x2, y2)))
    with pytest.raises(InvalidInputError, match=r"object 1: MTCNN finds no face"):
        voc.read_faces(tmp_path, crop="align")


GOOD = ("happy", (1.0, 1.0, 20.0, 20.0))
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"xmin": "<xmin>0</xmin>"}, r"p\.xml, object 2: the box reaches outside the picture of 40×30: xmin 0"),
        ({"xmax": "<xmax>41</xmax>"}, r"object 2: the box reaches outside"),
        ({"ymax": "<ymax>31</ymax>"}, r"object 2: the box reaches outside"),
        ({"xmax": "<xmax>4</xmax>"}, r"object 2: the box is inverted: xmin 5"),
        ({"xmax": "<xmax>wide</xmax>"}, r"object 2: the box is not four numbers"),
        ({"xmax": "<xmax>nan</xmax>"}, r"object 2: the box is not four finite numbers"),
        ({"ymax": ""}, r"object 2: the box is not four numbers: no <ymax>"),
        ({"name": "<name> </name>"}, r"object 2: no <name>"),
        ({"width": "<width>39</width>"}, r"p\.xml: <size> says 39×30, and p\.png is 40×30"),
        ({"width": "<width>0</width>"}, r"p\.xml: <width> is '0', not a number of pixels"),
        ({"height": "<height>tall</height>"}, r"p\.xml: <height> is 'tall', not a number of pixels"),
        ({"size": ""}, r"p\.xml: no <width>"),
        ({"filename": ""}, r"p\.xml: no <filename>"),
        ({"filename": "<filename>q.png</filename>"}, r"p\.xml: no photo .*q\.png"),
        ({"filename": "<filename>../../secret.png</filename>"}, r"p\.xml: <filename> '../../secret.png' leads out"),
        ({"filename": "<filename>..\\..\\secret.png</filename>"}, r"leads out"),
        ({"filename": "<filename>/etc/passwd</filename>"}, r"leads out"),
        ({"filename": "<filename>link.png</filename>"}, r"leads out"),
        ({"filename": "<filename>loop.png</filename>"}, r"p\.xml: no photo .*loop\.png"),
        ({"annotation": "<annotation><size>"}, r"p\.xml: broken XML"),
        ({"annotation": "<html></html>"}, r"p\.xml: the root is <html>"),
        ({"annotation": '<?xml version="1.0" encoding="klingon"?><annotation/>'}, r"p\.xml: unknown encoding: klingon"),
        ({"annotation": BOMB}, r"p\.xml: it has a DOCTYPE"),
        ({"annotation": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>'}, r"p\.xml: it has a DOCTYPE"),
        ({"annotation": "<annotation>" + " " * 1_000_001 + "</annotation>"}, r"p\.xml: it is larger than"),
    ],
)
def test_bad_xml_names_file_and_object(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    root = tmp_path / "data"
    annotate(root, "good", noise(1, 30, 40, 3), GOOD)
    path = annotate(root, "p", noise(2, 30, 40, 3), ("sad", (5, 5, 25, 25)), **changes)
    save(tmp_path / "secret.png", noise(3, 30, 40, 3))
    (root / "JPEGImages" / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "JPEGImages" / "loop.png").symlink_to("loop.png")
    if "object 2" in says:
        # A good object before it, so that the number is not always 1.
        before = "<object><name>fear</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        before += "</object>"
        path.write_text(path.read_text().replace("<object>", before + "<object>", 1))
    with pytest.raises(InvalidInputError, match=says):
        voc.read_faces(root)
    with pytest.warns(SkippedWarning, match=says):
        faces = voc.read_faces(root, skip_bad=True)
    assert faces.where[0] == "Annotations/good.xml, object 1"
    assert len(faces) == (2 if "object 2" in says else 1)


def test_boxes_are_about_the_upright_photo(tmp_path: Path) -> None:
    pixels = noise(7, 30, 40, 3)
    path = annotate(tmp_path, "p", pixels, ("happy", (11, 6, 30, 25)))
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "JPEGImages" / "p.png", np.rot90(pixels).copy(), exif=exif)
    faces = voc.read_faces(tmp_path, size=20, channels=3)
    np.testing.assert_array_equal(faces.pixels[0].permute(1, 2, 0), pixels[5:25, 10:30])
    text = path.read_text().replace("<width>40</width><height>30</height>", "<width>30</width><height>40</height>")
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=r"<size> says 30×40, and p\.png is 40×30") as caught:
        voc.read_faces(tmp_path)
    assert "upright" in str(caught.value.hint)


def test_an_unreadable_photo_is_named_with_its_xml(tmp_path: Path) -> None:
    annotate(tmp_path, "good", noise(1, 30, 40, 3), GOOD)
    annotate(tmp_path, "p", noise(2, 30, 40, 3), GOOD, filename="<filename>p.jpg</filename>")
    cut_short(tmp_path / "JPEGImages" / "p.jpg")
    with pytest.raises(InvalidInputError, match=r"p\.xml: .*p\.jpg is damaged"):
        voc.read_faces(tmp_path)
    with pytest.warns(SkippedWarning, match=r"p\.xml: .*p\.jpg is damaged"):
        assert voc.read_faces(tmp_path, skip_bad=True).where == ("Annotations/good.xml, object 1",)


def test_a_doctype_is_refused_in_any_encoding(tmp_path: Path) -> None:
    path = annotate(tmp_path, "p", noise(2, 30, 40, 3), GOOD)
    path.write_bytes(b"\xff\xfe" + BOMB.encode("utf-16-le"))
    with pytest.raises(InvalidInputError, match="it has a DOCTYPE"):
        voc.read_faces(tmp_path)


def test_faces_of_a_photo_and_of_its_copies_stay_on_one_side(tmp_path: Path) -> None:
    boxes = [("happy", (1, 1, 16, 16)), ("sad", (9, 9, 30, 30)), ("sad", (20, 5, 40, 25))]
    for number in range(20):
        pixels = noise(number, 30, 40, 3)
        annotate(tmp_path, f"{number}", pixels, *boxes)
        annotate(tmp_path, f"copy{number}", pixels, *boxes[:1])
    faces = voc.read_faces(tmp_path, share=0.25)
    sides: dict[str, set[str]] = {}
    for where, split in zip(faces.where, faces.split.tolist(), strict=True):
        photo = where.partition(".xml")[0].removeprefix("Annotations/").removeprefix("copy")
        sides.setdefault(photo, set()).add(split)
    assert len(sides) == 20
    assert all(len(side) == 1 for side in sides.values())
    assert sum(side == {PUBLIC} for side in sides.values()) == 5


def test_the_lists_of_the_data_set_decide(tmp_path: Path) -> None:
    for number in range(4):
        annotate(tmp_path, f"{number}", noise(number, 30, 40, 3), GOOD)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2\n0\n")
    (lists / "val.txt").write_text("1\n")
    with pytest.warns(SkippedWarning, match=r"1 annotations are in no list of .*the first 3\.xml"):
        faces = voc.read_faces(tmp_path)
    assert dict(zip(faces.where, faces.split.tolist(), strict=True)) == {
        "Annotations/0.xml, object 1": TRAINING,
        "Annotations/1.xml, object 1": PUBLIC,
        "Annotations/2.xml, object 1": TRAINING,
    }
    (lists / "test.txt").write_text("3\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert voc.read_faces(tmp_path).split.tolist() == [TRAINING, PUBLIC, TRAINING, PRIVATE]
    (lists / "val.txt").write_text("1\n9\n")
    with pytest.raises(InvalidInputError, match=r"val\.txt, row 2: 9 has no annotation"):
        voc.read_faces(tmp_path)
    (lists / "val.txt").write_text("1\n0\n")
    with pytest.raises(InvalidInputError, match=r"val\.txt, row 2: 0 is in another list"):
        voc.read_faces(tmp_path)


def test_xml_may_lie_beside_its_photos_in_split_folders(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        annotate(tmp_path / "made", part, noise(len(part), 30, 40, 3), GOOD)
        (tmp_path / "flat" / part).mkdir(parents=True)
        for path in (f"Annotations/{part}.xml", f"JPEGImages/{part}.png"):
            shutil.copy(tmp_path / "made" / path, tmp_path / "flat" / part)
    faces = voc.read_faces(tmp_path / "flat")
    assert faces.where == ("train/train.xml, object 1", "valid/valid.xml, object 1")
    assert faces.split.tolist() == [TRAINING, PUBLIC]
    # What editors leave in hidden folders is no annotation.
    (tmp_path / "flat" / ".idea").mkdir()
    (tmp_path / "flat" / ".idea" / "workspace.xml").write_text("<project/>")
    assert voc.read_faces(tmp_path / "flat").where == faces.where


def test_a_folder_without_annotations_or_without_faces(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="holds no annotation"):
        voc.read_faces(tmp_path)
    annotate(tmp_path, "p", noise(1, 30, 40, 3))
    with pytest.raises(InvalidInputError, match="hold no face"):
        voc.read_faces(tmp_path)
    with pytest.raises(FerExportError):
        voc.read_faces(tmp_path / "Annotations" / "p.xml")


def test_a_fingerprint_is_of_what_is_shown() -> None:
    photo = np.stack([noise(1, 50, 70)] * 3, 2)
    other = photo.copy()
    other[:8, :8] = 255 - other[:8, :8]
    assert pictures.fingerprint(photo) == pictures.fingerprint(photo.copy())
    assert pictures.fingerprint(photo) != pictures.fingerprint(other)
