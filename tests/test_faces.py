"""These tests check faces in Python: the reference's detections, known sampling and alignment, hostile input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from conftest import make_checkpoint, present
from facenet_pytorch import MTCNN
from PIL import Image
from skimage.transform import SimilarityTransform

from fer_export.contract import Crop
from fer_export.errors import ContractError, InvalidInputError
from fer_export.faces import photo as photos
from fer_export.faces.align import TEMPLATE_48, crop, grid_to_photo
from fer_export.faces.boxes import iou, suppress
from fer_export.faces.cascade import detect
from fer_export.faces.face import Face
from fer_export.faces.photo import load_photo
from fer_export.faces.pooling import AreaTable
from fer_export.faces.sampling import MAX_SUBSAMPLES, sample, subsamples
from fer_export.faces.similarity import inverse, similarity

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SHARED_PHOTOS = ("faceapi_sample1.jpg", "faceapi_sample3.jpg", "faceapi_sample4.jpg")


@pytest.fixture(scope="module")
def astronaut() -> npt.NDArray[np.uint8]:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def reference() -> MTCNN:
    return MTCNN(select_largest=True, keep_all=True, min_face_size=40, thresholds=[0.6, 0.7, 0.7], device="cpu")


def noise(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def boxes_of(faces: list[Face]) -> npt.NDArray[np.float64]:
    return np.array([face.box for face in faces]).reshape(-1, 4)


def assert_as_reference(photo: npt.NDArray[np.uint8], reference: MTCNN) -> None:
    with torch.inference_mode():
        boxes, scores, points = reference.detect(Image.fromarray(photo), landmarks=True)
    faces = detect(photo)
    assert len(faces) == len(boxes)
    overlap = iou(boxes_of(faces), np.asarray(boxes.tolist(), np.float64))
    match = overlap.argmax(axis=1)
    assert sorted(match) == list(range(len(faces)))
    assert overlap.max(axis=1).min() >= 0.95
    ours = np.array([face.landmarks for face in faces])
    np.testing.assert_allclose(ours, np.asarray(points.tolist(), np.float64)[match], atol=0.1)
    np.testing.assert_allclose(
        [face.score for face in faces], np.asarray(scores.tolist(), np.float64)[match], atol=1e-4
    )


def test_the_cascade_finds_the_references_face_in_the_portrait(astronaut: Any, reference: MTCNN) -> None:
    assert_as_reference(astronaut, reference)


@pytest.mark.parametrize("name", SHARED_PHOTOS)
def test_the_cascade_finds_the_references_faces_in_group_photos(name: str, reference: MTCNN) -> None:
    assert_as_reference(load_photo(present(f"photos/{name}")), reference)


def test_following_a_face_without_search_keeps_it(astronaut: Any) -> None:
    found = detect(astronaut)
    followed = found
    for _ in range(10):
        followed = detect(astronaut, near=[face.box for face in followed])
    assert iou(boxes_of(found), boxes_of(followed)).max(axis=1).min() >= 0.8


def test_following_nobody_finds_nobody(astronaut: Any) -> None:
    assert detect(astronaut, near=[]) == []
    assert detect(astronaut, near=[(-500.0, -500.0, -400.0, -400.0), (float("nan"),) * 4]) == []
    assert detect(astronaut, near=[(400.0, 10.0, 460.0, 70.0)]) == []


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (39, 39), (60, 60)])
def test_pictures_without_faces_give_none(shape: tuple[int, int]) -> None:
    assert detect(np.full((*shape, 3), 128, np.uint8)) == []


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_photo_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="a photo is uint8"):
        detect(bad)


def test_sampling_the_identity_gives_the_photo() -> None:
    photo = noise(9, 13)
    np.testing.assert_array_equal(sample(photo, IDENTITY, 9, 13, gray=False), photo)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.7, 40.0])
def test_sampling_a_flat_photo_gives_its_luma(scale: float) -> None:
    photo = np.tile(np.array([10, 200, 60], np.uint8), (50, 50, 1))
    affine = np.array([[scale, 0.2, -3.0], [-0.2, scale, 5.0]])
    luma = 0.299 * 10 + 0.587 * 200 + 0.114 * 60
    np.testing.assert_allclose(sample(photo, affine, 6, 7, gray=True), luma, atol=1e-9)


@pytest.mark.parametrize("factor", [2, 3, 16])
def test_sampling_by_a_whole_factor_is_the_mean_of_blocks(factor: int) -> None:
    photo = noise(4 * factor, 5 * factor)
    wanted = photo.astype(np.float64).reshape(4, factor, 5, factor, 3).mean(axis=(1, 3))
    got = sample(photo, np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]]), 4, 5, gray=False)
    np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_sampling_a_ramp_reads_the_ramp_between_its_pixels() -> None:
    photo = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(20, axis=0)
    angle, scale = 0.4, 1.7
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    affine = np.array([[a, -b, 40.3], [b, a, 4.1]])
    rows, columns = np.mgrid[0:6, 0:6] + 0.5
    x = a * columns - b * rows + 40.3
    got = sample(photo, affine, 6, 6, gray=False)[..., 0]
    np.testing.assert_allclose(got, 2 * (x - 0.5), atol=1e-9)


def test_beyond_the_photo_its_edge_goes_on() -> None:
    photo = noise(4, 4)
    far = sample(photo, np.array([[1.0, 0.0, -1e12], [0.0, 1.0, 1e12]]), 2, 2, gray=False)
    np.testing.assert_array_equal(far, np.broadcast_to(photo[3, 0], (2, 2, 3)))


@pytest.mark.parametrize(
    ("scale", "k"), [(0.1, 1), (1.0, 1), (1 + 1e-12, 1), (1.01, 2), (3.0, 3), (900.0, MAX_SUBSAMPLES)]
)
def test_subsamples_follow_the_scale(scale: float, k: int) -> None:
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0]])
    assert subsamples(turn * scale) == k


@pytest.mark.parametrize("bad", [np.full((2, 3), np.nan), np.zeros((3, 3))])
def test_a_map_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="affine"):
        sample(noise(3, 3), bad, 2, 2, gray=True)


def test_a_known_similarity_is_found_and_undone() -> None:
    angle, scale = 0.7, 2.5
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    wanted = np.array([[a, -b, 30.0], [b, a, -12.0]])
    source = np.array(TEMPLATE_48)
    target = source @ wanted[:, :2].T + wanted[:, 2]
    found = similarity(TEMPLATE_48, [tuple(point) for point in target])
    assert found is not None
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    np.testing.assert_allclose(target @ inverse(found)[:, :2].T + inverse(found)[:, 2], source, atol=1e-9)


def test_the_similarity_is_umeyamas() -> None:
    """scikit-image solves the same problem by singular value decomposition."""
    random = np.random.default_rng(3)
    for _ in range(50):
        source = random.uniform(0, 200, (5, 2))
        target = np.array(TEMPLATE_48) + random.normal(0, 4, (5, 2))
        wanted = SimilarityTransform()
        assert wanted.estimate(source, target)
        found = similarity([tuple(p) for p in source], [tuple(p) for p in target])
        assert found is not None
        # Both solutions are equal where the best one needs no reflection, as for landmarks of faces.
        ours, theirs = (np.square(source @ m[:2, :2].T + m[:2, 2] - target).sum() for m in (found, wanted.params))
        assert ours <= theirs + 1e-6


def test_points_in_one_place_leave_the_similarity_open() -> None:
    assert similarity([(3.0, 3.0)] * 5, TEMPLATE_48) is None


def test_landmarks_land_on_the_template(astronaut: Any) -> None:
    face = detect(astronaut)[0]
    assert face.landmarks is not None
    affine = inverse(grid_to_photo(face, Crop(template=TEMPLATE_48), 48, 48))
    placed = np.array(face.landmarks) @ affine[:, :2].T + affine[:, 2]
    assert np.abs(placed - np.array(TEMPLATE_48)).mean() < 2


def test_a_crop_is_what_the_contract_asks_for(astronaut: Any) -> None:
    gray = crop(astronaut, detect(astronaut)[0], make_checkpoint(widths=(8, 16, 24)).contract)
    assert gray.shape == (1, 48, 48)
    assert gray.dtype == np.float32
    assert 0 <= gray.min() < gray.max() <= 255


def test_without_landmarks_the_square_of_the_box_is_read() -> None:
    affine = grid_to_photo(Face((10.0, 20.0, 58.0, 44.0)), Crop(template=TEMPLATE_48, margin=0.5), 48, 48)
    np.testing.assert_allclose(affine, [[1.5, 0, -2], [0, 1.5, -4]])
    one_place = Face((10.0, 20.0, 58.0, 44.0), landmarks=((9.0, 9.0),) * 5)
    np.testing.assert_allclose(grid_to_photo(one_place, Crop(template=TEMPLATE_48, margin=0.5), 48, 48), affine)


def test_a_face_without_extent_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="without extent"):
        grid_to_photo(Face((5.0, 5.0, 5.0, 5.0)), Crop(template=TEMPLATE_48), 48, 48)


def test_a_contract_without_a_crop_crops_nothing(astronaut: Any) -> None:
    contract = make_checkpoint(widths=(8, 16, 24)).contract.but(crop=None)
    with pytest.raises(ContractError, match="cropping"):
        crop(astronaut, Face((0.0, 0.0, 9.0, 9.0)), contract)


@pytest.mark.parametrize("size", [(12, 12), (7, 31), (60, 90)])
def test_resizing_by_area_is_torchs(size: tuple[int, int]) -> None:
    photo = noise(37, 53)
    window = photo[5:36, 2:50]
    channels_first = torch.from_numpy(window.astype(np.float32).transpose(2, 0, 1))[None]
    wanted = torch.nn.functional.interpolate(channels_first, size=size, mode="area")[0].permute(1, 2, 0)
    got = AreaTable(photo).resize((2, 5, 50, 36), *size)
    np.testing.assert_allclose(got, wanted.numpy(), atol=1e-4)


def test_suppression_keeps_the_best_and_what_lies_apart() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40], [32, 32, 36, 36]], np.float64)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, 0.5, over="smaller").tolist() == [1, 2]


def test_a_photo_is_read_upright(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(load_photo(tmp_path / "turned.png"), np.rot90(noise(20, 30), -1))


def test_transparent_parts_show_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (load_photo(tmp_path / "clear.png") == 255).all()


def test_unreadable_photos_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    for name in ("absent.png", "cut.png", "text.jpg", "empty.png", "."):
        with pytest.raises(InvalidInputError) as caught:
            load_photo(tmp_path / name)
        assert "\n" not in caught.value.reason
    monkeypatch.setattr(photos, "MAX_PIXELS", 1000)
    with pytest.raises(InvalidInputError, match="more than"):
        load_photo(tmp_path / "whole.png")


def test_16_bit_gray_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    photo = load_photo(tmp_path / "deep.png")
    np.testing.assert_array_equal(photo, np.repeat(np.arange(256).reshape(16, 16, 1), 3, axis=2))
