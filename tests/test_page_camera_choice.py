"""These tests check what a person chooses about the camera: which one, how large, and whether it is mirrored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pages import FROM_DISK, Visit, chromium_with
from playwright.sync_api import Browser

ALLOWED = "--use-fake-ui-for-media-stream"


def cameras(count: int) -> str:
    return f"--use-fake-device-for-media-stream=device-count={count}"


@pytest.fixture(scope="module")
def two() -> Iterator[Browser]:
    """A Chromium with two cameras, which show Chromium's own test pattern."""
    with chromium_with(ALLOWED, cameras(2)) as running:
        yield running


def ready(browser: Browser) -> Visit:
    visit = Visit(browser.new_context().new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    return visit


def used(visit: Visit) -> str:
    return str(visit.page.evaluate("document.querySelector('#video').srcObject.getVideoTracks()[0].label"))


def test_another_camera_is_chosen(two: Browser) -> None:
    visit = ready(two)
    assert not visit.page.is_visible("#camera-choice")
    visit.page.click("#start")
    visit.until("fer.source === 'camera' && fer.frames > 0")
    options = visit.page.locator("#camera option")
    options.nth(1).wait_for(state="attached")
    names = options.all_inner_texts()
    assert len(names) == 2
    first = used(visit)
    assert visit.page.eval_on_selector("#camera", "select => select.selectedOptions[0].textContent") == first
    (other,) = (name for name in names if name != first)
    visit.page.select_option("#camera", label=other)
    visit.page.wait_for_timeout(300)
    visit.until("fer.source === 'camera'")
    assert used(visit) == other
    visit.page.click("#stop")
    assert not visit.page.is_visible("#camera-choice")


def test_one_camera_is_no_choice(two: Browser) -> None:
    with chromium_with(ALLOWED, cameras(1)) as browser:
        visit = ready(browser)
        visit.page.click("#start")
        visit.until("fer.source === 'camera' && fer.frames > 0")
        visit.page.wait_for_timeout(200)
        assert visit.page.is_visible("#mirror")
        assert not visit.page.is_visible("#camera")


def test_another_size_is_chosen_and_the_rest_stays(two: Browser) -> None:
    visit = ready(two)
    visit.page.click("#start")
    visit.until("fer.source === 'camera' && fer.frames > 0")
    options = visit.page.locator("#camera option")
    options.nth(1).wait_for(state="attached")
    camera = options.nth(1).inner_text()
    visit.page.select_option("#camera", label=camera)
    visit.page.wait_for_timeout(300)
    visit.until("fer.source === 'camera' && fer.frames > 0")
    visit.page.uncheck("#mirror")
    size = "[document.querySelector('#video').videoWidth, document.querySelector('#video').videoHeight]"
    assert visit.page.evaluate(size) == [640, 480]
    for label, wanted in (("1280 × 720", [1280, 720]), ("320 × 240", [320, 240])):
        visit.page.select_option("#resolution", label=label)
        visit.until(f"fer.source === 'camera' && String({size}) === '{wanted[0]},{wanted[1]}'")
        assert used(visit) == camera
        assert not visit.page.is_checked("#mirror")
    visit.page.click("#stop")
    visit.page.click("#start")
    visit.until(f"fer.source === 'camera' && String({size}) === '320,240'")
    assert not visit.complaints


def test_the_mirror_is_switched(two: Browser) -> None:
    visit = ready(two)
    visit.page.click("#start")
    visit.until("fer.source === 'camera'")
    shape = "getComputedStyle(document.querySelector('#video')).transform"
    assert visit.page.evaluate(shape) == "matrix(-1, 0, 0, 1, 0, 0)"
    visit.page.uncheck("#mirror")
    assert visit.page.evaluate(shape) == "none"
    assert visit.page.get_attribute("#video", "aria-label") == "Your camera"
    visit.page.check("#mirror")
    assert visit.page.evaluate(shape) == "matrix(-1, 0, 0, 1, 0, 0)"


def test_a_waiting_prompt_is_said(two: Browser) -> None:
    visit = ready(two)
    visit.page.evaluate("""() => {
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (...given) => {
        await new Promise(resolve => { window.allow = resolve; });
        return ask(...given);
      };
    }""")
    visit.page.click("#start")
    visit.until("window.allow")
    assert visit.said("#summary") == "Waiting for the camera: the browser may ask you to allow it …"
    visit.page.evaluate("allow()")
    visit.until("fer.source === 'camera'")
    assert "Waiting" not in visit.said("#summary")


def test_a_denied_camera_is_no_longer_waited_for() -> None:
    with chromium_with("--use-fake-ui-for-media-stream=deny", cameras(1)) as browser:
        visit = ready(browser)
        visit.page.click("#start")
        visit.until("fer.error")
        assert visit.said("#summary") == "Ready"
        assert "not allowed" in visit.said("#alert")
