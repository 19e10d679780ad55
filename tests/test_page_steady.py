"""These tests check that the page keeps people's numbers and words steady, and says why it does not read a face.

The rules alone run in a blank page; the whole page gets made-up videos of an astronaut's portrait (NASA, from
scikit-image) frame by frame, with a clock of the video's own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from pages import FROM_DISK, WEB, Visit
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, Page

from fer_export.faces.align import TEMPLATE_48, crop
from fer_export.faces.cascade import detect
from fer_export.formats import checkpoint

SCRIPT = WEB / "dist" / "testing.js"
PHOTOS = ROOT.parent / "shared" / "photos"
#: The video's milliseconds from frame to frame.
STEP = 1000 / 15


def astronaut() -> np.ndarray:
    """uint8 [512, 512, 3]: one face, 88 pixels wide."""
    from skimage.data import astronaut as load

    return np.asarray(load())


def rules(page: Page, code: str, **values: Any) -> Any:
    """Run code with `t` for the page's functions, `v` for the values, and what both kinds of tests need."""
    return page.evaluate(
        f"""(v) => {{
          const t = globalThis.ferTesting;
          const box = (x, y = 0, side = 100) => [x, y, x + side, y + side];
          // People look like stripes: of one width for each.
          const stripes = (person) => (_, at) => 128 + 90 * Math.sin(((at % 48) / 48) * (3 + 4 * person));
          const looks = (person) => t.appearance(Float32Array.from({{ length: 48 * 48 }}, stripes(person)), 48, 48);
          const seen = (person, x, y, side) =>
            ({{ face: {{ box: box(x, y, side), score: 1, landmarks: null }}, looks: looks(person) }});
          const good = {{ size: 100, light: 200, glare: 0, sharpness: 1, turn: 0, misfit: 0 }};
          {code}
        }}""",
        values,
    )


# Numbers


def test_the_cheapest_pairs_are_taken_and_no_forbidden_one(page: Page) -> None:
    pairs = rules(
        page,
        """return [
          t.assign([[1, 2], [1, 9]]),
          t.assign([[null, 5, null], [null, 1, null]]),
          t.assign([[null]]),
          t.assign([]),
          t.assign([[]]),
        ].map((found) => found.sort((first, second) => first[0] - second[0]));""",
    )
    assert pairs == [[[0, 1], [1, 0]], [[1, 1]], [], [], []]


def test_a_face_is_expected_where_its_motion_leads(page: Page) -> None:
    told = rules(
        page,
        """const motion = new t.Motion(box(0), 0);
        for (let at = 1; at <= 10; at++) motion.seen(box(20 * at, 0), at * 50);
        const half = new t.Motion(box(0), 0);
        for (let at = 1; at <= 10; at++) half.seen(box(20 * at, 0), at * 50);
        half.seen(box(200, 0, 60), 550, false);
        return [motion.at(550), motion.at(60000), half.at(600)[0]];""",
    )
    soon, late, half = told
    assert soon == [pytest.approx(220, abs=3), 0, pytest.approx(320, abs=3), 100]
    assert late == [pytest.approx(360, abs=10), 0, pytest.approx(460, abs=10), 100], "it does not go on for ever"
    assert half == pytest.approx(220, abs=3), "a face half covered goes on as before"


def test_a_face_gets_its_number_when_it_was_seen_again(page: Page) -> None:
    told = rules(
        page,
        """const tracker = new t.Tracker();
        const numbers = (time, ...faces) => tracker.update(faces, time).map(({ track }) => track);
        return [
          numbers(0, seen(1, 0)), numbers(50, seen(1, 5)), numbers(100, seen(1, 10), seen(2, 500)),
          numbers(150, seen(1, 15)), numbers(200, seen(1, 20), seen(2, 500)), numbers(300, seen(2, 500), seen(1, 30)),
        ];""",
    )
    assert told == [[], [], [1], [1], [1], [2, 1]], "a face that flashed up has no number"


def test_two_who_cross_keep_their_numbers_by_their_looks(page: Page) -> None:
    """Person 1 is in front and covers the other in the middle; the order of the faces changes from frame to frame."""
    told = rules(
        page,
        """const tracker = new t.Tracker();
        const told = [];
        for (let at = 0; at <= 60; at++) {
          const [front, behind] = [[1, 10 * at], [2, 600 - 10 * at]];
          const people = Math.abs(front[1] - behind[1]) < 90 ? [front] : [front, behind];
          if (at % 2) people.reverse();
          const tracked = tracker.update(people.map(([person, x]) => seen(person, x)), at * 50);
          told.push(...tracked.map(({ index, track }) => `${people[index][0]} is ${track}`));
        }
        return told;""",
    )
    assert len(told) > 100
    assert set(told) in ({"1 is 1", "2 is 2"}, {"1 is 2", "2 is 1"})


@pytest.mark.parametrize(("gap", "back", "wanted"), [(1000, 1, 1), (2900, 1, 1), (3100, 1, 2), (1000, 2, 2)])
def test_who_comes_back_in_time_keeps_the_number(page: Page, gap: int, back: int, wanted: int) -> None:
    """They come back 250 pixels away, so that it hangs on their looks."""
    told = rules(
        page,
        """const tracker = new t.Tracker();
        const see = (time, ...faces) => tracker.update(faces, time).map(({ track }) => track);
        see(0, seen(1, 0));
        const first = see(100, seen(1, 0));
        see(150);
        const waiting = tracker.waiting;
        for (let time = 200; time < 100 + v.gap; time += 50) see(time);
        see(100 + v.gap, seen(v.back, 250));
        return [first, waiting, see(250 + v.gap, seen(v.back, 250))];""",
        gap=gap,
        back=back,
    )
    assert told == [[1], [1], [wanted]]


def test_numbers_begin_at_one_again_after_a_reset_and_at_once_in_a_picture(page: Page) -> None:
    told = rules(
        page,
        """const tracker = new t.Tracker();
        const see = (...faces) => tracker.update(faces, 0, true).map(({ track }) => track);
        const first = see(seen(1, 0), seen(2, 300));
        tracker.reset();
        return [first, see(seen(2, 0)), tracker.waiting];""",
    )
    assert told == [[1, 2], [1], []]


# Words


def test_the_average_is_over_time_and_not_over_frames(page: Page) -> None:
    told = rules(
        page,
        """const after = (milliseconds, frames) => {
          const smoothing = new t.Smoothing();
          smoothing.add({ happy: 1 }, 0);
          let value;
          for (let at = 1; at <= frames; at++) value = smoothing.add({ happy: 0 }, (milliseconds * at) / frames).happy;
          return value;
        };
        return [after(400, 4), after(400, 40), after(100, 1), after(60000, 1), after(0, 1)];""",
    )
    few, many, one, late, none = told
    assert few == pytest.approx(np.exp(-1))
    assert many == pytest.approx(few)
    assert one == pytest.approx(np.exp(-0.25))
    assert late == 0.5, "no single frame has a majority"
    assert none == 1


def test_a_word_needs_confidence_and_then_stays(page: Page) -> None:
    told = rules(
        page,
        """const word = new t.Word();
        const shares = [0.6, 0.65, 0.7, 0.6, 0.55, 0.51, 0.49, 0.6, 0.3, 0.68];
        return shares.map((happy) => word.next({ happy, sad: 1 - happy }));""",
    )
    assert told == [None, None, "happy", "happy", "happy", "happy", None, None, "sad", "happy"]
    assert rules(page, "return [0.6, 0.7, 0.3].map((happy) => t.wordFor({ happy, sad: 1 - happy }));") == [
        None, "happy", "sad",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "bad", "says"),
    [("size", 21, "too small"), ("light", 25, "too dark"), ("glare", 0.8, "too bright"), ("turn", 0.8, "turned away"),
     ("misfit", 0.5, "turned away"), ("sharpness", 0.1, "too blurred")],
)  # fmt: skip
def test_a_face_that_cannot_be_read_has_its_reason(page: Page, measure: str, bad: float, says: str) -> None:
    told = rules(
        page,
        "return [t.doubtOf(good, null), t.doubtOf({ ...good, [v.measure]: v.bad }, null)];",
        measure=measure,
        bad=bad,
    )
    assert told == [None, says]


def test_a_reason_at_the_edge_does_not_flicker(page: Page) -> None:
    told = rules(
        page,
        """let doubt = null;
        return [29, 27, 29, 31, 33, 31, 29].map((size) => (doubt = t.doubtOf({ ...good, size }, doubt)));""",
    )
    assert told == [None, "too small", "too small", "too small", None, None, None]


def test_the_reason_stands_in_place_of_the_word(page: Page) -> None:
    """What other scripts see are the frame's own values, with the averaged picture's verdict."""
    told = rules(
        page,
        """const people = new t.People();
        const sight = (happy, quality, waiting = []) => ({ waiting, light: null, faces: [
          { box: box(0), score: 1, landmarks: null, track: 1, probabilities: [happy, 1 - happy], quality } ] });
        const show = (view) => view.faces.map(({ label, probabilities, shown, certain, reason }, index) =>
          [label, probabilities.happy, view.averaged[index].probabilities.happy, shown, certain, reason]);
        const see = (time, ...given) => show(people.moving(sight(...given), ['happy', 'sad'], time));
        const told = [see(0, 0.9, good), see(10, 0, good)];
        for (let time = 100; time <= 1000; time += 100) see(time, 0.55, good);
        told.push(see(1100, 0.4, { ...good, size: 100 }));
        for (let time = 1200; time <= 3000; time += 100) see(time, 0.9, { ...good, size: 10 });
        told.push(see(3100, 1, { ...good, size: 10 }), show(people.still(sight(0.6, good), ['happy', 'sad'])));
        const away = people.moving({ waiting: [1], light: null, faces: [] }, ['happy', 'sad'], 3200);
        const gone = people.moving({ waiting: [], light: 'dark', faces: [] }, ['happy', 'sad'], 9000);
        return { told, away: away.waiting.map(({ shown }) => shown), gone };""",
    )
    first, outlier, edge, small, still = told["told"]
    assert first == [["happy", 0.9, 0.9, "happy", True, None]]
    assert outlier[0][0] == "sad"
    assert outlier[0][2] > 0.85
    assert outlier[0][3:] == ["happy", True, None]
    assert edge[0][3:] == ["happy", True, None]
    assert small[0][3:] == ["too small", False, "too small"]
    assert still == [["happy", 0.6, 0.6, "unsure", False, "undecided"]]
    assert told["away"] == ["too small"], "who may come back is still counted"
    assert told["gone"] == {"faces": [], "averaged": [], "waiting": [], "resting": [], "light": "dark"}


def test_announcements_keep_their_distance(chromium: Browser) -> None:
    page = chromium.new_page()
    page.clock.install()
    page.add_script_tag(path=SCRIPT)
    page.evaluate(
        """() => {
          window.said = [];
          const start = performance.now();
          const passed = () => Math.round(performance.now() - start);
          window.announcer = new ferTesting.Announcer((text) => said.push([text, passed()]));
        }"""
    )

    def at(milliseconds: int, text: str, settle: int = 0) -> None:
        page.clock.run_for(milliseconds)
        page.evaluate("([text, settle]) => announcer.announce(text, settle)", [text, settle])

    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    page.evaluate("() => { said.length = 0; }")
    at(0, "one")
    for text in ("two", "three", "one", "four"):
        at(500, text)
    at(5000, "four")
    at(0, "nobody", 1000)
    at(900, "four")
    at(5000, "nobody", 1000)
    page.clock.run_for(5000)
    said = page.evaluate("said")
    page.close()
    assert [text for text, _ in said] == ["one", "four", "nobody"], "what is out of date is not said"
    assert said[1][1] - said[0][1] == 3000


# Pictures


def test_a_spoiled_face_measures_worse(page: Page) -> None:
    """The crops are Python's, which the page's are equal to."""
    photo = astronaut()
    contract = checkpoint.load_checkpoint(checkpoint.PRETRAINED).contract
    face = detect(photo)[0]
    blurred = np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(8)))
    bright = np.minimum(photo * 4.0, 255).astype(np.uint8)
    crops = [crop(picture, face, contract) for picture in (photo, blurred, photo // 8, bright)]
    told = [
        rules(
            page,
            """const grid = { height: 48, width: 48, color: 'gray', crop: { template: v.template } };
            const quality = t.quality(v, Float32Array.from(v.crop), grid);
            return { ...quality, doubt: t.doubtOf(quality, null) };""",
            crop=pixels.ravel().tolist(),
            box=face.box,
            landmarks=face.landmarks,
            template=TEMPLATE_48,
        )
        for pixels in crops
    ]
    as_is, smeared, dim, burnt = told
    small = crops[0][0].astype(float).reshape(24, 2, 24, 2).mean((1, 3))
    edges = 4 * small[1:-1, 1:-1] - small[:-2, 1:-1] - small[2:, 1:-1] - small[1:-1, :-2] - small[1:-1, 2:]
    assert as_is["sharpness"] == pytest.approx(edges.var() / small.var(), rel=1e-4)
    assert as_is["size"] == pytest.approx(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    assert [one["doubt"] for one in told] == [None, "too blurred", "too dark", "too bright"]
    assert smeared["sharpness"] < as_is["sharpness"] / 5
    assert dim["light"] < as_is["light"] / 6
    assert burnt["glare"] > 0.6 > as_is["glare"]


def test_a_turned_head_is_told_by_its_landmarks(page: Page) -> None:
    """The nose of a profile is beyond an eye; landmarks in the air fit no face; both turn with the picture."""
    told = rules(
        page,
        """const grid = { height: 48, width: 48, color: 'gray', crop: { template: v.template } };
        const turned = ([x, y]) => [0.6 * x - 0.8 * y + 50, 0.8 * x + 0.6 * y];
        const measure = (landmarks) => {
          const told = [landmarks, landmarks.map(turned), null].map((given) =>
            t.quality({ box: [0, 0, 99, 99], landmarks: given }, new Float32Array(48 * 48), grid));
          return told.map(({ turn, misfit }) => [turn, misfit, t.doubtOf({ ...good, turn, misfit }, null)]);
        };
        const [left, right, nose, ...mouth] = v.template;
        const profile = [left, right, [nose[0] + 12, nose[1]], ...mouth];
        const inTheAir = [left, right, nose, ...mouth.reverse()];
        return [v.template, profile, inTheAir].map(measure);""",
        template=TEMPLATE_48,
    )
    for upright, turned, none in told:
        assert turned == [pytest.approx(upright[0]), pytest.approx(upright[1]), upright[2]]
        assert none == [0, 0, None], "without landmarks nothing is said of them"
    assert [upright[2] for upright, _, _ in told] == [None, "turned away", "turned away"]


@pytest.mark.parametrize(
    ("picture", "light"), [("dark", "dark"), ("burnt", "bright"), ("gray", None), ("half", None), ("night", None)]
)
def test_the_light_of_a_picture_is_named(page: Page, picture: str, light: str | None) -> None:
    """A night with a lamp or a page of a book is neither too dark nor overexposed."""
    values: dict[str, Callable[[int, int], int]] = {
        "dark": lambda x, y: 20,
        "burnt": lambda x, y: 255 if x < 60 else 90,
        "gray": lambda x, y: 120,
        "half": lambda x, y: 0 if x < 50 else 120,
        "night": lambda x, y: 10 if x < 90 else 200,
    }
    told = rules(
        page,
        """const data = new Uint8ClampedArray(v.pixels.flatMap((value) => [value, value, value, 255]));
        return t.lightOf({ data, width: 100, height: 100 });""",
        pixels=[values[picture](x, y) for y in range(100) for x in range(100)],
    )
    assert told == light


# The whole page

#: Makes the camera a canvas and the clock the video's own; `push` shows a frame and waits until it was read.
CANVAS = """(() => {
  const real = performance.now.bind(performance);
  let now = null;
  performance.now = () => now ?? real();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 480];
  const context = canvas.getContext('2d');
  let track;
  navigator.mediaDevices.getUserMedia = async () => {
    const stream = canvas.captureStream(0);
    [track] = stream.getVideoTracks();
    return stream;
  };
  window.black = () => {
    context.fillRect(0, 0, 640, 480);
    track?.requestFrame();
  };
  window.push = async (jpeg, time) => {
    const bytes = Uint8Array.from(atob(jpeg), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }));
    const before = fer.frames;
    context.drawImage(bitmap, 0, 0);
    now = time;
    track.requestFrame();
    while (fer.frames === before) await new Promise((resolve) => setTimeout(resolve, 3));
    return { faces: fer.faces, summary: document.querySelector('#summary').textContent,
      spoken: document.querySelector('#spoken').textContent };
  };
})();"""


class Film:
    """A page whose camera shows what it is told to."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.time = 1e5

    def start(self) -> None:
        """Start the camera, and wait for its first, black picture."""
        frames = self.visit.fer("frames")
        self.visit.page.click("#start")
        # A frame that comes before the video plays is not read.
        self.visit.until(f"(black(), fer.source === 'camera' && fer.frames > {frames})")
        self.visit.page.wait_for_timeout(500)

    def show(self, *frames: Image.Image) -> list[dict[str, Any]]:
        """Show frames, fifteen a second, and return what the page told at each."""
        told = []
        for frame in frames:
            data = io.BytesIO()
            frame.save(data, "JPEG", quality=92)
            self.time += STEP
            arguments = [base64.b64encode(data.getvalue()).decode(), self.time]
            told.append(self.visit.page.evaluate("([jpeg, time]) => push(jpeg, time)", arguments))
        return told


@contextmanager
def filming(chromium: Browser, **context: Any) -> Iterator[Film]:
    """Open the page with such a camera, started."""
    opened = chromium.new_context(**context)
    try:
        opened.add_init_script(CANVAS)
        visit = Visit(opened.new_page())
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        film = Film(visit)
        film.start()
        yield film
    finally:
        opened.close()


@pytest.fixture(scope="module")
def heads() -> dict[str, Image.Image]:
    """The astronaut's head, and the same mirrored and lit from the side: to the tracker another person."""
    head = Image.fromarray(astronaut()).crop((150, 5, 300, 190)).resize((186, 230))
    shade = np.linspace(0.3, 1, head.width)[None, :, None]
    mirrored = np.asarray(head.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return {"one": head, "other": Image.fromarray((mirrored * shade).astype(np.uint8))}


def staged(*people: tuple[Image.Image, float]) -> Image.Image:
    """Put heads before a gray wall, the last one in front; x is the middle of the head."""
    frame = Image.new("RGB", (640, 480), (120, 118, 112))
    for head, x in people:
        mask = Image.new("L", head.size, 0)
        ImageDraw.Draw(mask).ellipse((4, 4, head.width - 4, head.height - 4), fill=255)
        frame.paste(head, (int(x - head.width / 2), 240 - head.height // 2), mask.filter(ImageFilter.GaussianBlur(4)))
    return frame


def numbers(told: list[dict[str, Any]]) -> set[int]:
    """Return the numbers that were given out."""
    return {face["track"] for one in told for face in one["faces"]}


def test_two_who_cross_keep_their_numbers(chromium: Browser, heads: dict[str, Image.Image]) -> None:
    """They meet in the middle, where one is covered, and go back."""
    swing = [0.5 - 0.5 * np.cos(2 * np.pi * at / 60) for at in range(60)]
    places = [(510 - 380 * share, 130 + 380 * share) for share in swing]
    frames = [staged((heads["other"], other), (heads["one"], one)) for other, one in places]
    with filming(chromium) as film:
        told = film.show(*frames)
        assert film.visit.complaints == []
    alone = [one for one in told if len(one["faces"]) == 1]
    assert alone, "one is covered for a while"
    assert numbers(told) == {1, 2}
    who = set()
    for one, (other_x, one_x) in zip(told, places, strict=True):
        for face in one["faces"]:
            x = face["box"]["x"] + face["box"]["width"] / 2
            if abs(one_x - other_x) > 150:
                who.add((abs(x - one_x) < abs(x - other_x), face["track"]))
    assert len(who) == 2, "each number is of one person"


def test_who_is_away_for_a_second_keeps_the_number_and_is_not_announced_anew(
    chromium: Browser, heads: dict[str, Image.Image]
) -> None:
    here, nobody = staged((heads["one"], 320)), staged()
    with filming(chromium) as film:
        first = film.show(*[here] * 10)
        away = film.show(*[nobody] * 15)
        again = film.show(*[here] * 15)
        gone = film.show(*[nobody] * 80)
        # Numbers begin at 1 with each source.
        other = film.show(*[staged((heads["other"], 320))] * 10)
        film.visit.page.click("#stop")
        film.start()
        anew = film.show(*[here] * 10)
    assert numbers(first) == numbers(again) == {1}
    assert numbers(away) == numbers(gone) == set()
    assert {one["spoken"] for one in [*first[3:], *away, *again]} == {"One face: happiness"}
    assert away[-1]["summary"] == "No face in sight"
    assert gone[-1]["spoken"] == "No face in sight"
    assert numbers(other) == {2}
    assert numbers(anew) == {1}


def test_an_undecided_face_does_not_flicker(chromium: Browser, heads: dict[str, Image.Image]) -> None:
    """The mouth is blended with a blurred one, which the net takes for neutral; noise decides each frame."""
    random = np.random.default_rng(3)
    shares = np.linspace(0, 1, 12)
    with filming(chromium) as film:
        blends = [(share, film.show(*[staged((mixed(heads["one"], share), 320))] * 8)) for share in shares]
        confident = [max(told[-1]["faces"][0]["probabilities"].values()) for _, told in blends]
        undecided = mixed(heads["one"], shares[int(np.argmin(confident))])
        film.visit.page.click("#stop")
        film.start()
        still = np.asarray(staged((undecided, 320))).astype(float)
        noisy = [np.clip(still + random.normal(0, 8, still.shape), 0, 255).astype(np.uint8) for _ in range(60)]
        told = film.show(*map(Image.fromarray, noisy))
    faces = [face for one in told for face in one["faces"]]
    assert len({face["label"] for face in faces}) > 1, "the labels alone flicker"
    changes = sum(one["shown"] != other["shown"] for one, other in pairwise(faces))
    flips = sum(one["label"] != other["label"] for one, other in pairwise(faces))
    assert flips >= 4
    assert changes <= 1


def mixed(head: Image.Image, share: float) -> Image.Image:
    """Blend the mouth with a blurred one."""
    mouth = (55, 140, 145, 200)
    blurred = head.copy()
    blurred.paste(head.crop(mouth).filter(ImageFilter.GaussianBlur(12)), mouth)
    return Image.blend(head, blurred, share)


def open_picture(chromium: Browser, path: Path) -> tuple[list[dict[str, Any]], str, list[str], bool]:
    """Return the faces of a picture, the summary, the words on the cards, and whether bars are shown."""
    context = chromium.new_context()
    try:
        visit = Visit(context.new_page())
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        visit.page.set_input_files("#file", path)
        visit.until("fer.frames === 1")
        cards = [heading.inner_text().split("\n")[0] for heading in visit.page.query_selector_all("#faces h2")]
        bars = any(bar.is_visible() for bar in visit.page.query_selector_all("#faces .bar"))
        return visit.fer("faces"), visit.said("#summary"), cards, bars
    finally:
        context.close()


def write(path: Path, change: Callable[[Image.Image], Image.Image]) -> Path:
    """Write the astronaut's portrait, changed."""
    change(Image.fromarray(astronaut())).save(path)
    return path


def smaller(portrait: Image.Image) -> Image.Image:
    """Make the face 21 pixels wide."""
    side = round(portrait.width * 21 / 88)
    return portrait.resize((side, side), Image.Resampling.LANCZOS)


def smeared(portrait: Image.Image) -> Image.Image:
    """Enlarge the face to 180 pixels and blur it by σ 13."""
    return portrait.resize((1024, 1024), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(13))


@pytest.mark.parametrize(
    ("change", "says"),
    [(smaller, "too small"), (smeared, "too blurred"),
     (lambda portrait: portrait.point(lambda value: value // 8), "too dark")],
)  # fmt: skip
def test_a_spoiled_face_gets_a_reason_and_no_guess(
    chromium: Browser, tmp_path: Path, change: Callable[[Image.Image], Image.Image], says: str
) -> None:
    faces, summary, cards, bars = open_picture(chromium, write(tmp_path / "spoiled.png", change))
    [face] = faces
    assert (face["shown"], face["certain"], face["reason"]) == (says, False, says)
    assert summary == f"One face: {says}"
    assert cards == [says]
    assert not bars, "bars would be a guess"


def test_a_face_as_it_should_be_has_its_word(chromium: Browser, tmp_path: Path) -> None:
    faces, summary, cards, bars = open_picture(chromium, write(tmp_path / "good.png", lambda portrait: portrait))
    [face] = faces
    assert (face["shown"], face["certain"], face["reason"]) == ("happiness", True, None)
    assert summary == "One face: happiness"
    assert cards == ["happiness"]
    assert bars


@pytest.mark.parametrize(
    ("factor", "says"),
    [(0.02, "No face in sight: the picture is very dark. Turn on a light."),
     (30, "No face in sight: the picture is overexposed. Dim the light, or turn away from it.")],
)  # fmt: skip
def test_where_nobody_is_found_the_light_is_named(chromium: Browser, tmp_path: Path, factor: float, says: str) -> None:
    path = write(tmp_path / "light.png", lambda portrait: portrait.point(lambda value: min(255, int(value * factor))))
    faces, summary, _, _ = open_picture(chromium, path)
    assert faces == []
    assert summary == says


def test_no_face_of_the_photos_is_refused(chromium: Browser) -> None:
    photos = sorted(PHOTOS.glob("*.jpg")) if PHOTOS.is_dir() else []
    if not photos:
        pytest.skip("../shared/photos is not here")
    for path in photos:
        faces, _, _, _ = open_picture(chromium, path)
        assert faces
        assert {face["reason"] for face in faces} <= {None, "undecided"}, path.name
