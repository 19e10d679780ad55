"""These tests check in Chromium that the page's geometry is the same as Python's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from playwright.sync_api import Page

from fer_export.contract import Cascade, Crop, PictureInput
from fer_export.faces.align import TEMPLATE_48, crop, grid_to_photo
from fer_export.faces.boxes import iou, regress, squares, suppress, windows
from fer_export.faces.cascade import scales
from fer_export.faces.face import Face
from fer_export.faces.nets import torch_nets
from fer_export.faces.pooling import AreaTable
from fer_export.faces.sampling import sample, subsamples
from fer_export.faces.similarity import inverse, similarity
from fer_export.formats.checkpoint import Checkpoint
from fer_export.importing.options import parse_input

SCRIPT = Path(__file__).parent.parent / "web" / "dist" / "testing.js"


def noise(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def rgba(photo: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """A photo as `evaluate` takes it: base64, since a list of numbers takes seconds."""
    opaque = np.concatenate([photo, np.full((*photo.shape[:2], 1), 255, np.uint8)], axis=2)
    return {"data": base64.b64encode(opaque.tobytes()).decode(), "width": photo.shape[1], "height": photo.shape[0]}


def flat(affine: npt.NDArray[np.float64]) -> list[float]:
    return affine.ravel().tolist()


def on_page(page: Page, expression: str, **values: Any) -> Any:
    """Evaluate with `t` for the page's functions, `v` for the values, and pictures made of bytes."""
    code = f"""(v) => {{
      const t = globalThis.ferTesting;
      if (v.pixels) v.pixels.data = Uint8ClampedArray.from(atob(v.pixels.data), (byte) => byte.charCodeAt(0));
      return {expression};
    }}"""
    return page.evaluate(code, values)


def turned(scale: float, angle: float, x: float, y: float) -> npt.NDArray[np.float64]:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, x], [b, a, y]])


MAPS = [turned(0.4, 0.3, 20, 30), turned(1.0, 0.0, 5, 7), turned(2.6, -0.5, 3, 160), turned(30.0, 2.0, -40, 90)]


@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("affine", MAPS, ids=["enlarged", "shifted", "reduced", "mostly outside"])
def test_both_sides_read_the_same_crop(page: Page, affine: npt.NDArray[np.float64], gray: bool) -> None:
    photo = skimage.data.astronaut()[:256, 96:352]
    ours = sample(photo, affine, 48, 48, gray=gray)
    theirs = on_page(
        page, "[...t.sample(v.pixels, v.affine, 48, 48, v.gray)]", pixels=rgba(photo), affine=flat(affine), gray=gray
    )
    difference = np.abs(np.array(theirs).reshape(ours.shape) - ours)
    # Promised is 1 gray level on average; what is left is the page's single-precision result.
    assert difference.max() < 1e-4
    assert on_page(page, "t.subsamples(v.affine)", affine=flat(affine)) == subsamples(affine)


def test_a_map_that_is_not_finite_is_refused_there_too(page: Page) -> None:
    with pytest.raises(Exception, match="finite"):
        on_page(page, "t.sample(v.pixels, [1, 0, Infinity, 0, 1, 0], 2, 2, true)", pixels=rgba(noise(3, 3)))


def test_both_sides_find_the_same_similarity(page: Page) -> None:
    random = np.random.default_rng(11)
    for _ in range(20):
        source = [tuple(point) for point in random.uniform(0, 300, (5, 2)).tolist()]
        ours = similarity(source, TEMPLATE_48)
        assert ours is not None
        theirs = on_page(page, "t.similarity(v.source, v.target)", source=source, target=TEMPLATE_48)
        np.testing.assert_allclose(theirs, flat(ours), rtol=1e-9, atol=1e-9)
        back = on_page(page, "t.inverse(v.affine)", affine=flat(ours))
        np.testing.assert_allclose(back, flat(inverse(ours)), rtol=1e-7, atol=1e-7)
    assert on_page(page, "t.similarity(v.source, v.target)", source=[(3, 3)] * 5, target=TEMPLATE_48) is None


@pytest.mark.parametrize("landmarks", [None, ((30.0, 40.0), (60.0, 38.0), (44.0, 60.0), (33.0, 75.0), (58.0, 74.0))])
def test_both_sides_place_a_face_alike(page: Page, landmarks: Any) -> None:
    face = Face((20.0, 20.0, 70.0, 90.0), landmarks=landmarks)
    rule = Crop(template=TEMPLATE_48, margin=0.1)
    theirs = on_page(
        page,
        "t.gridToPhoto(v.face, v.grid)",
        face={"box": face.box, "landmarks": landmarks},
        grid={"height": 48, "width": 48, "color": "gray", "crop": rule.model_dump()},
    )
    np.testing.assert_allclose(theirs, flat(grid_to_photo(face, rule, 48, 48)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("color", ["gray", "rgb", "bgr"])
def test_both_sides_cut_in_the_contracts_colours(page: Page, small: Checkpoint, color: str) -> None:
    photo = skimage.data.astronaut()[:256, 96:352]
    face = Face((20.0, 20.0, 120.0, 140.0))
    rule = Crop(template=TEMPLATE_48, margin=0.1)
    channels = 1 if color == "gray" else 3
    spec = {"height": 48, "width": 48, "channels": channels, "color": color}
    plain = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    contract = small.contract.but(
        inputs=(PictureInput.model_validate({**spec, "normalization": plain}),), crop=rule, golden=()
    )
    theirs = on_page(
        page,
        "[...t.cropFace(v.pixels, v.face, v.grid)]",
        pixels=rgba(photo),
        face={"box": face.box, "landmarks": None},
        grid={"height": 48, "width": 48, "color": color, "crop": rule.model_dump()},
    )
    ours = crop(photo, face, contract).transpose(1, 2, 0)
    np.testing.assert_allclose(np.array(theirs).reshape(ours.shape), ours, atol=1e-4)
    assert channels == 1 or np.abs(ours[..., 0] - ours[..., 2]).max() > 20


@pytest.mark.parametrize(
    ("text", "further", "says"),
    [("1x48x48", "landmarks=10", "takes more inputs"), ("ids=12:int64", None, "says nothing about cropping"),
     ("5x48x48", None, "says nothing about cropping"), ("1x?x?", None, "says nothing about cropping")],
)  # fmt: skip
def test_a_net_that_the_page_cannot_feed_is_refused(
    page: Page, small: Checkpoint, text: str, further: str | None, says: str
) -> None:
    first = parse_input(text)
    contract = small.contract.but(
        inputs=(first, parse_input(further)) if further else (first,),
        crop=small.contract.crop if first.kind == "picture" and first.coloured else None,
        golden=(),
    )
    refused = on_page(
        page,
        "(() => { try { new t.Classifier(v.contract, () => []); return ''; } catch (e) { return e.message; } })()",
        contract=json.loads(contract.to_json()),
    )
    assert says in refused


@pytest.mark.parametrize("tabulated", [False, True])
@pytest.mark.parametrize("size", [(12, 12), (31, 17), (90, 70)])
def test_both_sides_resize_alike(page: Page, size: tuple[int, int], tabulated: bool) -> None:
    photo = noise(61, 47)
    window = (3, 4, 44, 60)
    ours = AreaTable(photo).resize(window, *size)
    theirs = on_page(
        page,
        """(() => {
          const [height, width] = v.size;
          const areas = new t.Areas().update(v.pixels);
          if (v.tabulated) areas.tabulate();
          const whole = new Float32Array(height * width * 3);
          areas.resize(v.window, height, width, whole);
          const part = new Float32Array(5 * 4 * 3);
          areas.resize(v.window, height, width, part, 0, { top: 6, bottom: 11, left: 2, right: 6 });
          return [[...whole], [...part]];
        })()""",
        pixels=rgba(photo),
        window=window,
        size=size,
        tabulated=tabulated,
    )
    np.testing.assert_array_equal(np.array(theirs[0], np.float32).reshape(ours.shape), ours)
    np.testing.assert_array_equal(np.array(theirs[1], np.float32).reshape(5, 4, 3), ours[6:11, 2:6])


def test_sums_that_wrap_around_still_give_their_differences(page: Page) -> None:
    """A white picture of 4,200 × 4,200 sums to more than 2³²."""
    side = 4200
    ours = AreaTable(np.full((side, side, 3), 255, np.uint8)).resize((0, 0, side, side), 12, 12)
    assert (ours == 255).all()
    theirs = on_page(
        page,
        """(() => {
          const data = new Uint8Array(v.side * v.side * 4).fill(255);
          const out = new Float32Array(12 * 12 * 3);
          const table = new t.Areas().update({ data, width: v.side, height: v.side });
          table.tabulate();
          table.resize([0, 0, v.side, v.side], 12, 12, out);
          return [...out];
        })()""",
        side=side,
    )
    assert set(theirs) == {255}


@pytest.mark.parametrize("over", ["union", "smaller"])
def test_both_sides_suppress_alike(page: Page, over: Any) -> None:
    random = np.random.default_rng(2)
    corner = random.uniform(0, 80, (60, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 50, (60, 2))], axis=1)
    # Rounded, so that there are equals.
    scores = random.uniform(0.6, 1, 60).round(1)
    for threshold in (0.3, 0.5, 0.7):
        theirs = on_page(
            page,
            "t.suppress(v.boxes, v.scores, v.threshold, v.over)",
            boxes=boxes.tolist(),
            scores=scores.tolist(),
            threshold=threshold,
            over=over,
        )
        assert theirs == suppress(boxes, scores, threshold, over).tolist()


def test_both_sides_do_the_same_arithmetic_on_boxes(page: Page) -> None:
    random = np.random.default_rng(4)
    corner = random.uniform(-60, 120, (40, 2))
    boxes = np.concatenate([corner, corner + random.uniform(2, 60, (40, 2))], axis=1)
    offsets = random.normal(0, 0.2, (40, 4))
    values: dict[str, Any] = {"boxes": boxes.tolist(), "offsets": offsets.ravel().tolist()}
    moved = on_page(page, "v.boxes.map((box, i) => t.regress(box, v.offsets, i * 4, 1))", **values)
    np.testing.assert_allclose(moved, regress(boxes, offsets, 1.0), atol=1e-9)
    np.testing.assert_allclose(on_page(page, "v.boxes.map(t.squared)", **values), squares(boxes), atol=1e-9)
    first = on_page(page, "v.boxes.map((box) => t.iou(box, v.boxes[0]))", **values)
    np.testing.assert_allclose(first, iou(boxes, boxes[:1])[:, 0], atol=1e-9)
    ours = [list(w) if w[2] > w[0] and w[3] > w[1] else None for w in windows(boxes, 100, 90).tolist()]
    assert on_page(page, "v.boxes.map((box) => t.windowOf(box, 100, 90))", **values) == ours


@pytest.mark.parametrize("size", [(480, 640), (1448, 1920), (39, 200), (40, 40)])
def test_both_sides_build_the_same_pyramid(page: Page, size: tuple[int, int]) -> None:
    settings = Cascade(stage="pnet")
    theirs = on_page(page, "t.scales(v.size[0], v.size[1], v.settings)", size=size, settings=settings.model_dump())
    np.testing.assert_allclose(theirs, scales(*size, settings), rtol=1e-12)


@pytest.mark.parametrize("size", [(480, 640), (540, 960), (481, 643), (90, 1000), (40, 40)])
def test_portions_see_what_the_whole_pyramid_sees(page: Page, size: tuple[int, int]) -> None:
    """P-Net, cell by cell: over the rows of a portion it gives what it gives over the whole level."""
    pnet = torch_nets().pnet
    settings = Cascade(stage="pnet").model_dump()
    values = {"size": size, "settings": settings}
    portions = on_page(page, "t.portions(v.size[0], v.size[1], v.settings, 12)", **values)
    costs = [sum(strip["part"]["bottom"] - strip["part"]["top"] for strip in portion) for portion in portions]
    assert all(costs), "no portion is empty"
    strips = [strip for portion in portions for strip in portion]
    for level in on_page(page, "t.pyramid(v.size[0], v.size[1], v.settings)", **values):
        picture = np.random.default_rng(1).uniform(0, 255, (1, level["height"], level["width"], 3)).astype(np.float32)
        wanted = pnet(picture)["probabilities"][0]
        rows = []
        for strip in (strip for strip in strips if strip["scale"] == level["scale"]):
            part = strip["part"]
            assert (part["left"], part["right"]) == (0, level["width"])
            assert part["top"] == 2 * sum(map(len, rows)), "no row of cells is seen twice or left out"
            rows.append(pnet(picture[:, part["top"] : part["bottom"]])["probabilities"][0])
        np.testing.assert_allclose(np.concatenate(rows), wanted, atol=1e-5)


def test_portions_cost_about_the_same(page: Page) -> None:
    portions = on_page(page, "t.portions(480, 640, v.settings, 12)", settings=Cascade(stage="pnet").model_dump())
    costs = [
        sum((s["part"]["bottom"] - s["part"]["top"]) * (s["part"]["right"] - s["part"]["left"]) for s in portion)
        for portion in portions
    ]
    assert 10 <= len(portions) <= 16
    assert max(costs) < 1.7 * sum(costs) / 12


def test_a_search_is_spread_over_frames_and_begins_anew_after_a_while_or_a_loss(page: Page) -> None:
    told = on_page(
        page,
        """(() => {
          const search = new t.Search();
          let time = 0;
          const frames = (count, followed, lost = false) => Array.from({ length: count }, () => {
            time += 33;
            return search.next(480, 640, v.settings, time, followed, lost).length;
          });
          const all = t.pyramid(480, 640, v.settings).length;
          const first = frames(40, 1);
          const after = frames(40, 1);
          frames(20, 1);
          const calm = frames(2, 1);
          const loss = frames(1, 1, true);
          search.reset();
          const alone = frames(4, 0);
          return { all, first, after, calm, loss, alone };
        })()""",
        settings=Cascade(stage="pnet").model_dump(),
    )
    searching = [count > 0 for count in told["first"]]
    assert 10 <= sum(searching) <= 16
    assert searching == sorted(searching, reverse=True), "one frame after the other, then none"
    assert max(told["first"][:6]) == 1, "large levels are cut"
    assert any(told["after"]), "a second later it begins anew"
    assert not any(told["calm"])
    assert all(told["loss"]), "and at once when somebody is lost"
    assert all(told["alone"]), "and without a break when nobody is there"


def test_faces_are_read_in_turn(page: Page) -> None:
    told = on_page(
        page,
        """(() => {
          const readings = new t.Readings();
          const read = (tracks, time, all = false) => {
            const due = readings.due(tracks, time, all);
            for (const track of due) readings.keep(track, { probabilities: [time], quality: null }, time);
            return due;
          };
          const four = [1, 2, 3, 4];
          const turns = [read(four, 0), ...[33, 67, 100, 133, 167, 200, 233, 267].map((time) => read(four, time))];
          const held = four.map((track) => readings.of(track).probabilities[0]);
          const joined = read([...four, 5], 270);
          const still = read(four, 280, true);
          readings.only([1]);
          return { turns, held, joined, still, again: read([1, 2], 290) };
        })()""",
    )
    assert told["turns"] == [[1, 2, 3, 4], [], [], [], [1], [2], [3], [4], [1]]
    assert told["held"] == [267, 167, 200, 233]
    assert told["joined"] == [5], "somebody new at once"
    assert told["still"] == [1, 2, 3, 4], "in a picture that stands still, everybody"
    assert told["again"] == [2], "who was forgotten is new"


READ = """(async () => {
  const bitmap = await createImageBitmap(new ImageData(v.width, v.height));
  const { pixels, scale } = new t.PixelReader().read(bitmap, v.mode);
  const { width, height } = pixels;
  pixels.need(width - 40, height - 30, width - 10, height - 10);
  const corner = (height - 20) * width * 4 + (width - 20) * 4;
  const parts = [pixels.data[corner], pixels.data[0]];
  pixels.need(0, 0, width, height);
  return [width, height, scale, parts, pixels.data.every((value) => value === 255)];
})()"""


@pytest.mark.parametrize(
    ("mode", "size", "wanted"),
    [
        ("camera", (640, 480), [640, 480, 1]),
        ("camera", (1920, 1080), [960, 540, 2]),
        ("picture", (1920, 1080), [1920, 1080, 1]),
        ("picture", (3840, 5120), [1920, 2560, 2]),
    ],
)
def test_large_pictures_are_made_smaller_before_they_are_searched(
    page: Page, mode: str, size: tuple[int, int], wanted: list[int]
) -> None:
    """The picture is transparent, which shows white; only what is needed is read."""
    assert on_page(page, READ, mode=mode, width=size[0], height=size[1]) == [*wanted, [255, 0], True]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_fixed_batch_answers_any_number_of_pictures(page: Page, count: int, batch: int) -> None:
    """The net gives each of two pixels and the two in the other order, and takes no other number of pictures."""
    both, turned_round = on_page(
        page,
        """(() => {
          const net = (pixels, [rows, height, width, channels]) => {
            if (rows !== v.batch || pixels.length !== 2 * rows) throw new Error(`${rows} pictures`);
            const data = Float32Array.from(pixels);
            const other = data.map((_, index) => data[index ^ 1]);
            return { both: { data, shape: [rows, height, width, channels] }, other: { data: other, shape: [rows, 2] } };
          };
          const pixels = Float32Array.from({ length: 2 * v.count }, (_, index) => index + 1);
          const { both, other } = t.anyNumber(net, v.batch)(pixels, [v.count, 1, 2, 1]);
          return [both, other].map(({ data, shape }) => ({ data: [...data], shape }));
        })()""",
        count=count,
        batch=batch,
    )
    wanted = np.arange(1, 2 * count + 1).reshape(count, 2)
    assert both == {"data": wanted.ravel().tolist(), "shape": [count, 1, 2, 1]}
    assert turned_round == {"data": wanted[:, ::-1].ravel().tolist(), "shape": [count, 2]}
