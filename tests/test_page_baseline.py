"""These tests check the baseline: a person's resting face, taken off what is shown of that person."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import LABELS, ROOT
from pages import FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image
from playwright.sync_api import Page

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"

#: Watch a resting face for four seconds at 25 frames a second, and then read other faces.
WATCHED = """({ rest, then, every = 40, seen = 1 }) => {
  const t = window.ferTesting;
  const baseline = new t.Baseline("neutral");
  const done = [];
  for (let time = 0; time <= 4000; time += every) {
    baseline.watch((time / every) % seen === 0 ? rest : null, time);
    done.push(baseline.done);
  }
  return { state: baseline.state, done, lowered: baseline.lowered, then: then.map((face) => baseline.off(face)) };
}"""


def face(**shares: float) -> dict[str, float]:
    """Probabilities by label; what is left is shared by the others."""
    others = [label for label in LABELS if label not in shares]
    left = (1 - sum(shares.values())) / len(others)
    return {label: shares.get(label, left) for label in LABELS}


def watched(page: Page, rest: dict[str, float], *then: dict[str, float], **how: int) -> Any:
    return page.evaluate(WATCHED, {"rest": rest, "then": list(then), **how})


def test_a_face_that_looks_sad_at_rest_reads_as_neutral_and_its_smile_as_a_smile(page: Page) -> None:
    rest = face(sadness=0.7, neutral=0.2)
    smile = face(happiness=0.6, sadness=0.3)
    told = watched(page, rest, rest, smile, face(sadness=0.99))
    assert told["state"] == "on"
    assert told["lowered"] == ["sadness"]
    resting, smiling, crying = told["then"]
    assert resting["neutral"] >= 0.8 - 1e-9
    assert smiling["happiness"] > smile["happiness"]
    assert max(crying, key=crying.get) == "sadness", "what is far beyond the resting face is still seen"


@pytest.mark.parametrize("seed", range(20))
def test_any_resting_face_reads_as_neutral_and_nothing_but_neutral_is_raised(page: Page, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rest, other = (dict(zip(LABELS, map(float, draw.dirichlet(np.full(8, 0.4))), strict=True)) for _ in range(2))
    resting, changed = watched(page, rest, rest, other)["then"]
    assert resting["neutral"] >= 0.8 - 1e-3
    for one in (resting, changed):
        assert sum(one.values()) == pytest.approx(1)
    # Compared with neutral no class gains, and classes that the resting face had little of keep their ratios.
    most = 0.2 / 7
    for label in LABELS:
        assert changed[label] / changed["neutral"] <= other[label] / other["neutral"] * (1 + 1e-9)
    calm = [label for label in LABELS if label != "neutral" and rest[label] <= most]
    for first, second in itertools.pairwise(calm):
        assert changed[first] * other[second] == pytest.approx(changed[second] * other[first])


def test_a_neutral_face_changes_nothing(page: Page) -> None:
    other = face(anger=0.5, neutral=0.3)
    told = watched(page, face(neutral=0.93), other)
    assert told["lowered"] == []
    assert told["then"][0] == pytest.approx(other)


def test_only_frames_in_which_the_face_can_be_read_are_watched(page: Page) -> None:
    told = watched(page, face(sadness=0.7), seen=2)
    assert told["state"] == "watching", "two seconds of four were seen"
    assert told["done"] == sorted(told["done"])
    assert told["done"][-1] == pytest.approx(2 / 3, abs=0.03)
    assert watched(page, face(sadness=0.7), every=2000)["state"] == "watching", "of a long gap little was seen"


def test_the_label_of_a_resting_face(page: Page) -> None:
    found = page.evaluate("(sets) => sets.map(window.ferTesting.neutralOf)", [["angry", "Neutral"], ["calm"], []])
    assert found == ["Neutral", None, None]


@pytest.fixture(scope="module")
def smiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A page whose camera shows a face with a smile that never ends."""
    frame = Image.new("RGB", (640, 480), (110, 110, 110))
    portrait = Image.open(PORTRAIT).convert("RGB")
    frame.paste(portrait.resize((400, 400 * portrait.height // portrait.width)), (120, 40))
    video = write_video(tmp_path_factory.mktemp("video") / "face.mjpeg", [frame] * 10)
    with chromium_with(*camera(video)) as browser:
        visit = Visit(browser.new_context().new_page())
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        visit.page.click("#start")
        visit.until("fer.faces.length === 1 && fer.faces[0].shown === 'happiness'")
        yield visit


def test_a_person_sets_the_resting_face_is_told_and_undoes_it(smiling: Visit) -> None:
    page = smiling.page
    button = page.get_by_role("button", name="Set resting face")
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Cancel").wait_for()
    assert not smiling.page.evaluate("fer.faces[0].rested")
    smiling.until("fer.faces[0].rested && fer.faces[0].shown === 'neutral'")
    raw = page.evaluate("fer.faces[0].probabilities.happiness")
    assert raw > 0.8, "what the net says of the picture is not changed"
    told = page.locator(".rest p").inner_text()
    assert told == "Your resting face is taken off: less happiness is shown than is read."
    page.wait_for_timeout(1500)
    kept = page.evaluate("document.activeElement.textContent")
    assert kept == "Undo resting face", "the focus stays where it was"
    page.keyboard.press("Enter")
    smiling.until("!fer.faces[0].rested && fer.faces[0].shown === 'happiness'")
    assert not page.locator(".rest p").is_visible()
    assert not smiling.complaints


def test_watching_is_cancelled(smiling: Visit) -> None:
    page = smiling.page
    page.get_by_role("button", name="Set resting face").click()
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_timeout(3500)
    assert not page.evaluate("fer.faces[0].rested")
    assert page.get_by_role("button", name="Set resting face").is_visible()


def test_a_picture_that_stands_still_has_no_resting_face(smiling: Visit) -> None:
    page = smiling.page
    page.click("#stop")
    page.set_input_files("#file", PORTRAIT)
    smiling.until("fer.source === 'picture' && fer.faces.length === 1")
    assert page.get_by_role("button", name="Set resting face").count() == 0
