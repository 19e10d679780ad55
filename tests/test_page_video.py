"""These tests check video files on the page: play, pause, step, another place, and files that are none."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from pages import FROM_DISK, Visit, chromium_with
from playwright.sync_api import Browser

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
#: Records a canvas on which the portrait moves to the right for two seconds, as WebM.
RECORD = """async source => {
  const image = await createImageBitmap(await (await fetch(source)).blob());
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
  const context = canvas.getContext('2d');
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm;codecs=vp8' });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const done = new Promise(resolve => { recorder.onstop = resolve; });
  recorder.start();
  for (let frame = 0; frame < 40; frame++) {
    context.fillStyle = 'gray';
    context.fillRect(0, 0, 640, 480);
    context.drawImage(image, 40 + 4 * frame, 60, 320, 320 * image.height / image.width);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  recorder.stop();
  await done;
  const reader = new FileReader();
  const read = new Promise(resolve => { reader.onload = resolve; });
  reader.readAsDataURL(new Blob(parts));
  await read;
  return reader.result;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for all."""
    with chromium_with() as running:
        yield running


@pytest.fixture(scope="module")
def film(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WebM of one face, about two seconds long, made by the browser itself."""
    page = chromium.new_context().new_page()
    source = "data:image/png;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode()
    url = str(page.evaluate(RECORD, source))
    path = tmp_path_factory.mktemp("film") / "face.webm"
    path.write_bytes(base64.b64decode(url.partition(",")[2]))
    page.context.close()
    return path


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """The page, ready."""
    context = chromium.new_context()
    visit = Visit(context.new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    yield visit
    context.close()


def place(visit: Visit) -> float:
    """Where the video stands, in seconds."""
    return float(visit.page.evaluate("document.querySelector('#video').currentTime"))


def test_a_video_is_played_paused_and_stepped_through(visit: Visit, film: Path) -> None:
    visit.page.set_input_files("#file", film)
    visit.until("fer.source === 'video' && fer.framesWithFaces > 0")
    assert visit.page.is_visible("#player")
    assert not visit.page.is_visible("#camera-choice")
    transform = "getComputedStyle(document.querySelector('#video')).transform"
    assert visit.page.evaluate(transform) == "none", "a film is not mirrored"
    visit.page.evaluate("document.querySelector('#video').pause()")
    visit.page.get_by_role("button", name="Play", exact=True).wait_for()
    for there in (1.5, 0.6):  # so far off that whoever is seen there is seen for the first time
        frames = visit.fer("frames")
        visit.page.evaluate(f"document.querySelector('#video').currentTime = {there}")
        visit.until(f"fer.frames > {frames} && fer.faces.length === 1")
    visit.page.wait_for_timeout(500)
    before, frames = place(visit), visit.fer("frames")
    (face,) = visit.fer("faces")
    visit.page.click("#step-on")
    visit.until(f"fer.frames > {frames}")
    assert place(visit) == pytest.approx(before + 1 / 30, abs=0.01)
    assert visit.fer("faces")[0]["track"] == face["track"], "one picture on it is the same person"
    visit.page.click("#step-back")
    visit.page.click("#step-back")
    visit.page.wait_for_timeout(300)
    assert place(visit) == pytest.approx(before - 1 / 30, abs=0.01)
    visit.page.click("#play")
    visit.until("document.querySelector('#video').ended")
    assert len(visit.fer("faces")) == 1
    visit.page.click("#stop")
    assert not visit.page.is_visible("#player")
    assert visit.page.evaluate("document.querySelector('#video').getAttribute('src')") is None
    assert visit.complaints == []


def test_a_video_gives_way_to_a_picture(visit: Visit, film: Path) -> None:
    visit.page.set_input_files("#file", film)
    visit.until("fer.source === 'video' && fer.frames > 0")
    visit.page.set_input_files("#file", PORTRAIT)
    visit.until("fer.source === 'picture' && fer.faces.length === 1")
    assert not visit.page.is_visible("#player")


def test_what_is_no_video_is_named(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"not a film")
    visit.page.set_input_files("#file", tmp_path / "clip.mp4")
    visit.until("fer.error")
    assert visit.said("#alert") == "clip.mp4 is not a video that the browser can play. Try an MP4 or WebM."
    assert visit.fer("source") == "none"
    visit.page.set_input_files("#file", PORTRAIT)
    visit.until("fer.faces.length === 1")
    assert visit.fer("error") is None
