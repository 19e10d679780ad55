"""This module reads PASCAL VOC annotations: photos with several labelled faces, and XML that says where they are.

The format: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
section 9, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf. Its boxes count pixels from
1 with both ends inside, so xmin … xmax covers [xmin - 1, xmax] in this project's coordinates.

The XML comes from strangers. The standard library's expat never fetches anything, and a document with
a DOCTYPE is refused before any of its entities could be expanded (see `_Plain`).
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import torch

from fer_export.contract import Cascade
from fer_export.errors import InvalidInputError, UsageError, first_line
from fer_export.faces.boxes import iou
from fer_export.faces.cascade import detect
from fer_export.faces.face import Box, Face
from fer_export.faces.photo import Photo, load_photo
from training.data import pictures
from training.data.aliases import canonical, in_order
from training.data.faces import TRAINING, Faces, one_hot
from training.data.pictures import SkippedWarning

#: The least intersection over union at which a found face belongs to a labelled box.
MIN_IOU = 0.3
#: The largest XML file that is read; annotations of a photo take a few kilobytes.
_MAX_BYTES = 1_000_000
_FROM_ONE = "VOC counts pixels from 1, both ends inside; a tool that counts from 0 may have written this"


@dataclass(frozen=True)
class Object:
    """Hold one labelled face; `number` is its place in the file, from 1; `box` is in the photo's pixels, [0, W]."""

    number: int
    label: str
    box: Box


@dataclass(frozen=True)
class Annotation:
    """Hold one XML file: the photo it is about, the photo's width and height, and the faces."""

    path: Path
    picture: Path
    width: int
    height: int
    objects: tuple[Object, ...]


#: A function that takes an error, and raises it or records it so that reading goes on.
Refuse = Callable[[InvalidInputError], None]


def read_faces(
    folder: Path,
    *,
    size: int = 48,
    channels: int = 1,
    crop: Literal["box", "align"] = "box",
    share: float = 0.1,
    seed: int = 0,
    skip_bad: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Faces:
    """Read the labelled faces of a folder in PASCAL VOC's layout.

    Either `Annotations/*.xml` with the photos in `JPEGImages/`, or XML files beside their photos,
    in subfolders or not. Labels go through `aliases.canonical`.

    `ImageSets/Main/train.txt` and `val.txt` decide the split where both are there (and `test.txt`
    then is PrivateTest); photos in no list are left out with a warning. Otherwise top folders named
    train, val, test decide as in `folder.read_faces`; otherwise a share is held out by the photos' content,
    so that all faces of a photo and of its copies stay on one side.

    Photos are turned upright by their EXIF orientation; boxes are taken to be about the upright photo.

    Args:
        folder: the folder.
        size: side of the crops, in pixels.
        channels: 1 for gray by ITU-R BT.601, 3 for RGB.
        crop: "box": the square around the labelled box. "align": MTCNN's face whose box overlaps the
            labelled one best (IoU of `MIN_IOU` at least, and that face overlapping no other label
            better), aligned by its five landmarks like deployed crops.
        share: share that is held out where nothing else decides, 0 ≤ share < 1.
        seed: seed of that choice.
        skip_bad: leave out invalid files and objects, with a `SkippedWarning` for each.
        progress: called with (done, all) after each photo.

    Returns:
        Faces with pixels uint8 [N, channels, size, size]; `where` is "Annotations/7.xml, object 2".

    Raises:
        InvalidInputError: the XML is broken or unsafe; a photo is missing, unreadable, outside the folder or
            of another size; a box is inverted or outside the photo; a label has no name; or no face is
            found inside a box. The error names the file and the object.
        UsageError: a setting is out of its range.
    """
    pictures.check_settings(size, channels, share)
    if crop not in ("box", "align"):
        raise UsageError(f"crop is box or align, not {crop}")
    bad: list[InvalidInputError] = []

    def refuse(error: InvalidInputError) -> None:
        if not skip_bad:
            raise error
        bad.append(error)

    paths, splits = _find(folder, refuse)
    found = [each for path in paths if (each := _annotation(folder, path, refuse)) is not None]
    count = sum(len(each.objects) for each in found)
    pixels = torch.empty((count, channels, size, size), dtype=torch.uint8)
    rows: list[tuple[Annotation, Object]] = []
    keys: list[bytes] = []
    for done, annotation in enumerate(found, 1):
        photo = _photo(annotation, refuse)
        if photo is not None:
            key = pictures.fingerprint(photo)
            for one, face in _faces(folder, annotation, photo, crop, refuse):
                pixels[len(rows)] = torch.from_numpy(pictures.crop_face(photo, face, size, channels))
                rows.append((annotation, one))
                keys.append(key)
        if progress is not None:
            progress(done, len(found))
    for error in bad:
        warnings.warn(SkippedWarning(f"skipped: {error.reason}"), stacklevel=2)
    if not rows:
        raise InvalidInputError(f"{folder}: the annotations hold no face that can be used")

    labels = in_order(one.label for _, one in rows)
    classes = np.array([labels.index(one.label) for _, one in rows], np.int64)
    split = np.array([splits.get(annotation.path, TRAINING) for annotation, _ in rows], dtype="U11")
    how = pictures.complete_split(split, keys, classes, share, seed)
    cut = "squares around boxes" if crop == "box" else "aligned by MTCNN's landmarks"
    return Faces(
        name=f"PASCAL VOC folder {folder.resolve().name}",
        protocol=f"labels of the XML's objects; {cut}; validation: {how}",
        labels=labels,
        pixels=pixels[: len(rows)],
        targets=one_hot(classes, len(labels)),
        split=split,
        where=tuple(_where(folder, annotation.path, one.number) for annotation, one in rows),
    )


def _where(folder: Path, path: Path, number: int) -> str:
    return f"{path.relative_to(folder).as_posix()}, object {number}"


def _find(folder: Path, refuse: Refuse) -> tuple[list[Path], dict[Path, str]]:
    """Find the XML files, in order, and the split of each where the data set gives one."""
    pictures.require_folder(folder)
    own = folder / "Annotations"
    paths = sorted(own.glob("*.xml") if own.is_dir() else folder.rglob("*.xml"))
    paths = [path for path in paths if not pictures.hidden(path.relative_to(folder))]
    if not paths:
        raise InvalidInputError(
            f"{folder} holds no annotation",
            hint="the layout is Annotations/*.xml and JPEGImages/*, or XML beside photos",
        )
    lists = folder / "ImageSets" / "Main"
    if (lists / "train.txt").is_file() and (lists / "val.txt").is_file():
        return _listed(folder, lists, paths, refuse)
    tops = {path: path.relative_to(folder).parts[0] for path in paths}
    meaning = pictures.given_splits(set(tops.values()))
    return paths, {path: meaning[top] for path, top in tops.items() if top in meaning}


def _listed(folder: Path, lists: Path, paths: list[Path], refuse: Refuse) -> tuple[list[Path], dict[Path, str]]:
    """Read the splits from `ImageSets/Main/*.txt`, which have a name without ending in each line."""
    by_name = {path.stem: path for path in paths}
    splits: dict[Path, str] = {}
    for name, split in pictures.given_splits(("train", "val", "test")).items():
        path = lists / f"{name}.txt"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        for row, line in enumerate(lines, 1):
            stem = line.strip()
            annotation = by_name.get(stem)
            if not stem:
                continue
            if annotation is None:
                refuse(InvalidInputError(f"{path}, row {row}: {stem} has no annotation {stem}.xml"))
            elif splits.setdefault(annotation, split) != split:
                raise InvalidInputError(f"{path}, row {row}: {stem} is in another list too")
    rest = [path for path in paths if path not in splits]
    if rest:
        text = f"skipped: {len(rest)} annotations are in no list of {lists}, the first {rest[0].name}"
        warnings.warn(SkippedWarning(text), stacklevel=3)
    return [path for path in paths if path in splits], splits


class _Plain(ElementTree.TreeBuilder):
    """Build a tree and refuse a DOCTYPE; without one there are no entities to expand or to fetch."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE, which annotations do not need and which is not safe to read")


def _tree(path: Path) -> ElementTree.Element:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES // 1000} kB")
    data = path.read_bytes()
    parser = ElementTree.XMLParser(target=_Plain())
    # The parser is fed in small pieces, so that nothing is read after the piece in which a DOCTYPE begins.
    for start in range(0, len(data), 64):
        parser.feed(data[start : start + 64])
    root: ElementTree.Element = parser.close()
    return root


def _annotation(folder: Path, path: Path, refuse: Refuse) -> Annotation | None:
    """Read one file; return None where it was refused. Objects that were refused are left out."""
    try:
        root = _tree(path)
        if root.tag != "annotation":
            raise ValueError(f"the root is <{root.tag[:40]}>, not <annotation>")
        picture = _picture(folder, path, _text(root, "filename"))
        width, height = (_side(root, name) for name in ("width", "height"))
    # A LookupError means an encoding that Python does not know.
    except (ElementTree.ParseError, ValueError, OSError, LookupError) as error:
        kind = "broken XML: " if isinstance(error, ElementTree.ParseError) else ""
        refuse(InvalidInputError(f"{path}: {kind}{first_line(error)}"))
        return None
    objects = []
    for number, node in enumerate(root.iterfind("object"), 1):
        try:
            objects.append(Object(number, canonical(_text(node, "name")), _box(node, width, height)))
        except ValueError as error:
            hint = _FROM_ONE if "outside" in str(error) else None
            refuse(InvalidInputError(f"{path}, object {number}: {first_line(error)}", hint=hint))
    return Annotation(path, picture, width, height, tuple(objects))


def _text(node: ElementTree.Element, name: str) -> str:
    text = (node.findtext(name) or "").strip()
    if not text:
        raise ValueError(f"no <{name.rpartition('/')[2]}>")
    return text


def _side(root: ElementTree.Element, name: str) -> int:
    text = _text(root, f"size/{name}")
    try:
        pixels = int(text)
    except ValueError:
        pixels = 0
    if pixels < 1:
        raise ValueError(f"<{name}> is {text[:20]!r}, not a number of pixels")
    return pixels


def _picture(folder: Path, path: Path, name: str) -> Path:
    """Return the photo of an annotation, and refuse one outside the folder, also through symbolic links."""
    base = folder / "JPEGImages" if (folder / "JPEGImages").is_dir() else path.parent
    plain = PurePosixPath(name.replace("\\", "/"))
    picture = base / plain
    # Unlike Path.resolve, realpath does not raise where links go round in a circle.
    inside = Path(os.path.realpath(picture)).is_relative_to(os.path.realpath(base))
    if plain.is_absolute() or ".." in plain.parts or not inside:
        raise ValueError(f"<filename> {name!r} leads out of {base}")
    if not picture.is_file():
        raise ValueError(f"no photo {picture}")
    return picture


def _box(node: ElementTree.Element, width: int, height: int) -> Box:
    """Convert xmin, ymin, xmax, ymax, from 1 and inclusive, to x1, y1, x2, y2 in [0, W] and [0, H]."""
    names = ("xmin", "ymin", "xmax", "ymax")
    try:
        xmin, ymin, xmax, ymax = numbers = [float(_text(node, f"bndbox/{name}")) for name in names]
    except ValueError as error:
        raise ValueError(f"the box is not four numbers: {first_line(error)}") from error
    shown = ", ".join(f"{name} {number:g}" for name, number in zip(names, numbers, strict=True))
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"the box is not four finite numbers: {shown}")
    if xmax < xmin or ymax < ymin:
        raise ValueError(f"the box is inverted: {shown}")
    if xmin < 1 or ymin < 1 or xmax > width or ymax > height:
        raise ValueError(f"the box reaches outside the picture of {width}×{height}: {shown}")
    return xmin - 1, ymin - 1, xmax, ymax


def _photo(annotation: Annotation, refuse: Refuse) -> Photo | None:
    try:
        photo = load_photo(annotation.picture)
    except InvalidInputError as error:
        refuse(InvalidInputError(f"{annotation.path}: {error.reason}", hint=error.hint))
        return None
    height, width = photo.shape[:2]
    if (width, height) != (annotation.width, annotation.height):
        stated = f"{annotation.width}×{annotation.height}"
        turned = (height, width) == (annotation.width, annotation.height)
        refuse(
            InvalidInputError(
                f"{annotation.path}: <size> says {stated}, and {annotation.picture.name} is {width}×{height}",
                hint="its EXIF orientation turns it: save it upright and label it again" if turned else None,
            )
        )
        return None
    return photo


def _faces(
    folder: Path, annotation: Annotation, photo: Photo, crop: str, refuse: Refuse
) -> Iterator[tuple[Object, Face]]:
    """Yield the objects of a photo, each with the face to crop."""
    if crop == "box" or not annotation.objects:
        yield from ((one, Face(one.box)) for one in annotation.objects)
        return
    boxes = np.array([one.box for one in annotation.objects], np.float64)
    smallest = float((boxes[:, 2:] - boxes[:, :2]).min())
    found = detect(photo, settings=Cascade(stage="pnet", min_face=min(40.0, max(20.0, smallest))))
    overlap = iou(boxes, np.array([face.box for face in found], np.float64).reshape(-1, 4))
    for row, one in enumerate(annotation.objects):
        face = _match(overlap, row)
        if face is None:
            refuse(InvalidInputError(f"{annotation.path}, object {one.number}: MTCNN finds no face in the box"))
        else:
            yield one, found[face]


def _match(overlap: npt.NDArray[np.float64], row: int) -> int | None:
    """Return the face that overlaps box `row` best, by IoU [boxes, faces].

    None is returned where that is less than `MIN_IOU`, or another box overlaps the face better.
    """
    if overlap.shape[1] == 0:
        return None
    face = int(overlap[row].argmax())
    return face if overlap[row, face] >= MIN_IOU and overlap[:, face].argmax() == row else None
