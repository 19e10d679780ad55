"""These tests check the last minute on the page: what is drawn and said of it, and what is saved."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LABELS, ROOT
from pages import FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image
from playwright.sync_api import Page

from fer_export.formats import checkpoint

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A page whose camera has shown a face for three seconds."""
    frame = Image.new("RGB", (640, 480), (110, 110, 110))
    face = Image.open(PORTRAIT).convert("RGB")
    frame.paste(face.resize((400, 400 * face.height // face.width)), (120, 40))
    video = write_video(tmp_path_factory.mktemp("video") / "face.mjpeg", [frame] * 10)
    with chromium_with(*camera(video)) as browser:
        visit = Visit(browser.new_context(accept_downloads=True).new_page())
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        assert not visit.page.is_visible("#timeline"), "there is nothing to show yet"
        assert not visit.page.is_visible("#snapshot")
        visit.page.click("#start")
        visit.until("fer.faces.length === 1")
        visit.page.wait_for_timeout(3000)
        yield visit


def saved(visit: Visit, button: str) -> tuple[str, bytes]:
    """Click, and return the name and content of what the browser downloads."""
    with visit.page.expect_download() as download:
        visit.page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_the_last_minute_is_drawn_and_said(watched: Visit) -> None:
    assert watched.page.is_visible("#timeline")
    assert watched.said("#legend").split() == list(LABELS)
    assert watched.said("#moment").startswith("Now: face 1 ")
    colours = watched.page.evaluate(
        """() => {
          const canvas = document.getElementById("strips");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const seen = new Set();
          for (let at = 0; at < data.length; at += 4) seen.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
          return [...seen];
        }"""
    )
    assert "230,159,0" in colours, "happiness, of which the portrait has most"
    assert not watched.complaints


def test_a_moment_is_chosen_by_keys_and_by_pointing(watched: Visit) -> None:
    strips = watched.page.locator("#strips")
    strips.focus()
    watched.page.keyboard.press("ArrowLeft")
    assert strips.get_attribute("aria-valuenow") == "-1"
    assert str(strips.get_attribute("aria-valuetext")).startswith("1 s ago: face 1 ")
    watched.page.keyboard.press("Home")
    assert strips.get_attribute("aria-valuetext") == "60 s ago: nobody"
    watched.page.keyboard.press("Tab")
    box = strips.bounding_box()
    assert box is not None
    watched.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    assert watched.said("#moment") == "30 s ago: nobody"
    watched.page.mouse.move(5, 5)
    assert watched.said("#moment").startswith("Now: ")


def test_what_was_seen_is_saved_with_the_model_that_saw_it(watched: Visit) -> None:
    weights = checkpoint.load_checkpoint(checkpoint.PRETRAINED).contract.weights_sha256
    name, content = saved(watched, "#save-csv")
    assert name.startswith("expressions-")
    assert name.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    assert len(rows) >= 8
    assert rows[0]["seconds"] == "0"
    for row in rows:
        assert row["face"] == "1"
        assert row["model"] == weights
        assert sum(float(row[label]) for label in LABELS) == pytest.approx(1, abs=1e-3)
    name, content = saved(watched, "#save-json")
    assert name.endswith(".json")
    document = json.loads(content)
    assert document["model"] == {"weights_sha256": weights, "architecture": "fernet", "labels": list(LABELS)}
    assert document["samples"][0]["probabilities"]["happiness"] == pytest.approx(float(rows[0]["happiness"]))


def test_the_picture_is_saved_as_it_is_seen(watched: Visit) -> None:
    """Mirrored, with the box and the word on it."""
    name, content = saved(watched, "#snapshot")
    assert name.endswith(".png")
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert picture.size == (640, 480)
    accent = (11, 110, 95)
    assert sum(count for count, colour in picture.getcolors(1 << 24) or [] if colour == accent) > 200


def test_it_stays_after_the_end_and_goes_when_something_else_begins(watched: Visit) -> None:
    watched.page.click("#stop")
    assert watched.page.is_visible("#timeline"), "what was seen can still be saved"
    assert not watched.page.is_visible("#snapshot")
    watched.page.set_input_files("#file", PORTRAIT)
    watched.until("fer.source === 'picture'")
    assert not watched.page.is_visible("#timeline")


# By itself


def on(page: Page, expression: str) -> Any:
    """Evaluate with the page's pure functions as `t`."""
    return page.evaluate(f"() => {{ const t = ferTesting; return {expression}; }}")


def test_samples_are_apart_and_do_not_grow_old(page: Page) -> None:
    told = on(
        page,
        """(() => {
          const recorder = new t.Recorder();
          const face = (track) => ({ track, shown: "a", certain: true, rested: false, probabilities: { a: 1 } });
          for (let time = 0; time <= 400000; time += 33) {
            recorder.add(time < 100000 ? [face(1), face(2)] : [face(1)], time);
          }
          const [one, two] = [recorder.people.get(1), recorder.people.get(2)];
          const steps = one.slice(1).map(({ time }, index) => time - one[index].time);
          const span = one.at(-1).time - one[0].time;
          const before = { count: one.length, span, least: Math.min(...steps), two: two ?? null };
          const [now, gap] = [recorder.at(1, 399000).time, recorder.at(1, 100)];
          recorder.add([face(3)], 5000);
          return { ...before, now, gap, after: [...recorder.people.keys()] };
        })()""",
    )
    assert told["least"] >= 200
    assert told["span"] <= 180_000
    assert told["count"] <= 901
    assert told["two"] is None, "who left long ago is forgotten"
    assert 398_700 < told["now"] <= 399_000
    assert told["gap"] is None
    assert told["after"] == [3], "after a jump back all begins anew"


def test_labels_that_are_formulas_or_hold_commas_are_harmless_in_a_table(page: Page) -> None:
    text = on(
        page,
        """(() => {
          const recorder = new t.Recorder();
          const labels = ['=HYPERLINK("x")', 'a,b', 'c\\nd'];
          const probabilities = Object.fromEntries(labels.map((label) => [label, 1 / 3]));
          recorder.add([{ track: 1, shown: labels[0], certain: true, rested: true, probabilities }], 0);
          return t.asCsv(recorder, { weights_sha256: "f", architecture: "x", labels });
        })()""",
    )
    head, row = csv.reader(io.StringIO(text, newline=""))
    assert head == ["seconds", "face", "shown", "certain", "rested", '\'=HYPERLINK("x")', "a,b", "c\nd", "model"]
    assert row[2] == '\'=HYPERLINK("x")'
    assert row[3:5] == ["true", "true"], "certain, and a resting face taken off"
    assert row[5:8] == ["0.33333"] * 3
