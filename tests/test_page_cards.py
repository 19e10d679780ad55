"""These tests check the list of faces: who is out of sight for a moment, and what is shown of a crowd."""

from __future__ import annotations

from pathlib import Path

from page_states import SIZE, one_face
from pages import FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image

from fer_export.parity.samples import PORTRAIT


def test_the_card_of_who_leaves_is_dimmed_before_it_goes_and_lit_when_they_come_back(tmp_path: Path) -> None:
    wall = [Image.new("RGB", SIZE, (96, 92, 88))] * 45
    video = write_video(tmp_path / "leaves.mjpeg", [*one_face() * 6, *wall])
    with chromium_with(*camera(video)) as browser:
        visit = Visit(browser.new_page())
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        visit.page.click("#start")
        card = "document.querySelector('#faces > li')"
        for _ in range(2):
            visit.until(f"fer.faces.length === 1 && !{card}.classList.contains('lost')")
            visit.page.evaluate(f"window.held ??= {card}")
            assert visit.page.inner_text("#faces h2").split("\n") == ["happiness", "face 1"]
            visit.until(f"fer.faces.length === 0 && {card}?.classList.contains('lost')")
            assert visit.page.inner_text("#faces h2").split("\n") == ["happiness", "face 1, out of sight"]
        assert visit.page.evaluate(f"window.held === {card}"), "it is the same card, in its place"
        assert not visit.complaints


def test_of_a_crowd_the_first_are_shown_and_the_rest_on_demand(visit: Visit, tmp_path: Path) -> None:
    crowd = Image.new("RGB", (1200, 1000), (96, 92, 88))
    portrait = Image.open(PORTRAIT).convert("RGB").resize((260, 260))
    for place in range(11):
        crowd.paste(portrait, (30 + 290 * (place % 4), 30 + 320 * (place // 4)))
    crowd.save(tmp_path / "crowd.png")
    page = visit.page
    page.set_input_files("#file", tmp_path / "crowd.png")
    visit.until("fer.source === 'picture' && fer.faces.length === 11")
    cards = page.locator("#faces > li")
    more = page.locator("#more-faces")
    assert cards.count() == 11
    assert sum(card.is_visible() for card in cards.all()) == 8
    assert more.inner_text() == "+3 more"
    assert more.get_attribute("aria-expanded") == "false"
    more.focus()
    page.keyboard.press("Enter")
    assert sum(card.is_visible() for card in cards.all()) == 11
    assert more.inner_text() == "Show fewer"
    assert more.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert sum(card.is_visible() for card in cards.all()) == 8
    page.click("#stop")
    visit.until("fer.source === 'none'")
    assert not more.is_visible()
