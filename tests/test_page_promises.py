"""These tests check promises about cameras, pictures and the worker; each fails if the page's code for it is removed.

The events are real: the webcam's process is killed, the tab is covered by another one, the worker hangs in a
loop, the file is dragged by the browser's own input.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from pages import FROM_DISK, WEB, Visit, camera, chromium_with, write_video
from PIL import Image, ImageFilter
from playwright.sync_api import Browser

from fer_export.faces.photo import MAX_PIXELS
from fer_export.runtimes import chromium, driver

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
#: Longer than the page waits for its worker, in milliseconds.
OVER_A_MINUTE = 61_000
HANG = "() => { setTimeout(() => { for (;;); }); }"
#: Workers hang from their first line on.
HANG_AT_THE_START = """
window.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === "text/javascript" ? ["for (;;);\\n", ...parts] : parts, options);
  }
};
"""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The page has to be there."""
    assert (WEB / "dist" / "fer.js").is_file(), "the page is not built; next: make web"


@pytest.fixture(scope="module")
def smiling() -> Image.Image:
    """A webcam's view of one face: the astronaut's, which the model takes for happy."""
    from skimage.data import astronaut

    return Image.fromarray(astronaut()).crop((64, 10, 448, 298)).resize((640, 480), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def video(smiling: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face whose smile comes and goes: every ten frames its mouth is blurred, and the model takes it for neutral."""
    mouth = (186, 181, 348, 255)
    blurred = smiling.copy()
    blurred.paste(smiling.crop(mouth).filter(ImageFilter.GaussianBlur(12)), mouth)
    return write_video(tmp_path_factory.mktemp("video") / "smile.mjpeg", [smiling] * 10 + [blurred] * 10)


@pytest.fixture(scope="module")
def webcam(video: Path) -> Iterator[Browser]:
    """One Chromium with that webcam, for all tests here that need no flags of their own."""
    with chromium_with(*camera(video)) as browser:
        yield browser


@contextmanager
def opened(browser: Browser, *, clock: bool = False) -> Iterator[Visit]:
    """Open the page in a window of its own.

    Args:
        browser: where.
        clock: make the page's clock one that the test can set forward.
    """
    context = browser.new_context()
    try:
        visit = Visit(context.new_page())
        if clock:
            visit.page.clock.install()
        visit.page.goto(FROM_DISK)
        visit.until("fer.ready")
        yield visit
    finally:
        context.close()


def write_png(path: Path, width: int, height: int) -> Path:
    """Write a black picture: however large, the file is small."""
    Image.new("1", (width, height)).save(path)
    return path


def test_an_unplugged_camera_is_said(webcam: Browser) -> None:
    with opened(webcam) as visit:
        visit.page.click("#start")
        visit.until("fer.frames >= 2")
        # For the page an unplugged camera means that the process which delivered the pictures is gone.
        processes = webcam.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        [capture] = [process["id"] for process in processes if process["type"].startswith("video_capture")]
        os.kill(capture, signal.SIGKILL)
        visit.until("fer.error")
        assert "camera went away" in visit.said("#alert")
        assert visit.fer("source") == "none"
        assert visit.fer("faces") == []
        # And it can be started again.
        frames = visit.fer("frames")
        visit.page.click("#start")
        visit.until(f"fer.frames > {frames} && fer.error === null")


RECORD = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const [face] = fer.faces;
    const share = (bar) => parseFloat(bar.style.transform.slice('scaleX('.length));
    const bars = [...document.querySelectorAll('#faces .bar > div')].map(share);
    if (face && bars.length > 0) seen.push({ raw: Object.values(face.probabilities), shown: bars });
  }).observe(document.querySelector('#faces'), { subtree: true, childList: true, attributes: true });
}"""


def test_what_is_shown_of_a_moving_picture_is_smoothed(webcam: Browser) -> None:
    with opened(webcam) as visit:
        visit.page.evaluate(RECORD)
        visit.page.click("#start")
        visit.until("seen.length >= 60")
        visit.page.click("#stop")
        seen: list[dict[str, Any]] = visit.page.evaluate("seen.splice(0)")
        visit.page.click("#start")
        visit.until("seen.length >= 1")
        [first, *_] = visit.page.evaluate("seen")
    raw, shown = (np.array([record[key] for record in seen]) for key in ("raw", "shown"))
    wanted = raw[1:] - shown[:-1]
    moved = shown[1:] - shown[:-1]
    large = np.abs(wanted) > 0.3
    assert large.sum() >= 10, "the smile comes and goes"
    share = moved[large] / wanted[large]
    # How far in one frame hangs on the time since the last one, and so on the machine: see test_page_steady.py.
    assert (share > 0).all(), "the bars follow"
    assert (share < 0.6).all(), "and do not jump"
    np.testing.assert_allclose(first["shown"], first["raw"], atol=1e-6, err_msg="a new start begins anew")


def test_no_frame_is_read_while_the_tab_is_hidden(video: Path, tmp_path: Path) -> None:
    """Playwright makes every page believe that it is seen, so this Chromium is started without it."""
    profile = tmp_path / "profile"
    flags = ("--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", *camera(video))
    process = subprocess.Popen([chromium.find(), *chromium.ARGUMENTS, *flags, "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort")
        with driver.playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
            [context] = browser.contexts
            visit = Visit(context.pages[0])
            visit.page.goto(FROM_DISK)
            visit.until("fer.ready")
            visit.page.click("#start")
            visit.until("fer.frames >= 5")
            playing = "[video.srcObject.getVideoTracks()[0].enabled, !video.paused]"
            assert visit.page.evaluate(playing) == [True, True]
            context.new_page().bring_to_front()
            visit.until("document.hidden")
            # A frame that was already on its way may still arrive.
            visit.page.wait_for_timeout(500)
            frames = visit.fer("frames")
            visit.page.wait_for_timeout(1500)
            assert visit.fer("frames") == frames
            assert visit.page.evaluate(playing) == [False, False], "the camera rests too"
            visit.page.bring_to_front()
            visit.until(f"fer.frames >= {frames + 5} && fer.faces.length === 1")
            assert visit.page.evaluate(playing) == [True, True]
            browser.close()
    finally:
        process.terminate()
        process.wait()


def _port(path: Path) -> int:
    """Wait for the file in which Chromium says what port it listens on."""
    end = time.monotonic() + 60
    while not (path.is_file() and path.read_text().strip()):
        assert time.monotonic() < end, "Chromium does not start"
        time.sleep(0.05)
    return int(path.read_text().split()[0])


def test_a_worker_that_hangs_over_a_picture_is_noticed(webcam: Browser) -> None:
    with opened(webcam, clock=True) as visit:
        [worker] = visit.page.workers
        worker.evaluate(HANG)
        visit.page.click("#sample")
        visit.page.wait_for_timeout(300)
        assert visit.fer("error") is None
        visit.page.clock.fast_forward(OVER_A_MINUTE)
        visit.until("fer.error")
        assert "no longer answers" in visit.said("#alert")
        assert visit.fer("source") == "none"


def test_a_worker_that_hangs_at_the_start_is_noticed(webcam: Browser) -> None:
    context = webcam.new_context()
    visit = Visit(context.new_page())
    visit.page.clock.install()
    visit.page.add_init_script(HANG_AT_THE_START)
    # What waits for the worker waits from here on: the page's script has run.
    visit.page.goto(FROM_DISK)
    visit.page.clock.fast_forward(OVER_A_MINUTE)
    visit.until("fer.error")
    assert visit.said("#summary") == "The models could not be loaded"
    assert "no longer answers" in visit.said("#alert")
    assert not visit.fer("ready")
    context.close()


def test_a_dropped_file_is_read(webcam: Browser) -> None:
    with opened(webcam) as visit:
        _drop(visit, PORTRAIT)
        visit.until("fer.faces.length === 1")
        assert visit.fer("source") == "picture"
        assert visit.page.url == FROM_DISK
        assert visit.said("#summary") == "One face: happiness"


def _drop(visit: Visit, path: Path) -> None:
    """Drag a file from outside onto the frame, and let go."""
    box = visit.page.locator("#stage").bounding_box()
    assert box
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    devtools = visit.page.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


#: Chooses a picture as soon as the page's script has run, when its worker can only just have begun.
CHOOSE_AT_ONCE = """document.addEventListener('DOMContentLoaded', () => {
  const chosen = new DataTransfer();
  const bytes = Uint8Array.from(atob('PORTRAIT'), (character) => character.charCodeAt(0));
  chosen.items.add(new File([bytes], 'portrait.png', { type: 'image/png' }));
  const input = document.querySelector('#file');
  input.files = chosen.files;
  input.dispatchEvent(new Event('change'));
});"""


def test_a_picture_chosen_while_the_models_load_is_read(webcam: Browser) -> None:
    context = webcam.new_context()
    visit = Visit(context.new_page())
    portrait = base64.b64encode(PORTRAIT.read_bytes()).decode()
    visit.page.add_init_script(CHOOSE_AT_ONCE.replace("PORTRAIT", portrait))
    visit.page.goto(FROM_DISK)
    visit.until("fer.frames === 1 || fer.error")
    assert visit.fer("error") is None
    assert len(visit.fer("faces")) == 1
    context.close()


def test_each_face_has_one_card(webcam: Browser, smiling: Image.Image, tmp_path: Path) -> None:
    crowd = Image.new("RGB", (1280, 960), "gray")
    for index in range(8):
        crowd.paste(smiling.crop((100, 0, 420, 480)), (index % 4 * 320, index // 4 * 480))
    crowd.save(tmp_path / "crowd.png")
    with opened(webcam) as visit:
        visit.page.set_input_files("#file", tmp_path / "crowd.png")
        visit.until("fer.frames === 1")
        faces = visit.fer("faces")
        assert len(faces) == 8
        cards = [heading.inner_text().split("\n") for heading in visit.page.query_selector_all("#faces h2")]
        assert cards == [[face["shown"], f"face {face['track']}"] for face in faces]
        assert len(visit.page.query_selector_all("#faces .bar")) == 8 * 8
        visit.page.set_input_files("#file", PORTRAIT)
        visit.until("fer.frames === 2")
        assert len(visit.page.query_selector_all("#faces > li")) == 1
        visit.page.click("#stop")
        assert not visit.page.query_selector_all("#faces > li")


COUNT_DECODED = """() => {
  window.decoded = 0;
  const decode = window.createImageBitmap;
  window.createImageBitmap = (...given) => { window.decoded++; return decode(...given); };
}"""


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(webcam: Browser, tmp_path: Path) -> None:
    """A few kilobytes can unpack to gigabytes. What Python reads is read as it is, what is larger is made smaller."""
    assert MAX_PIXELS % 8000 == 0
    allowed = write_png(tmp_path / "allowed.png", 8000, MAX_PIXELS // 8000)
    large = write_png(tmp_path / "large.png", 8000, 6000)
    over = write_png(tmp_path / "over.png", 15000, 14001)
    endless = tmp_path / "endless.png"
    with endless.open("wb") as out:
        out.truncate(200_400_001)
    with opened(webcam) as visit:
        visit.page.evaluate(COUNT_DECODED)
        visit.page.set_input_files("#file", over)
        visit.until("fer.error")
        assert visit.said("#alert") == "over.png is too large (15000 × 14001 pixels, at most 210 million in all)."
        visit.page.set_input_files("#file", endless)
        visit.until("fer.error.includes('MB')")
        assert visit.said("#alert") == "endless.png is too large (200 MB, at most 200)."
        assert visit.page.evaluate("decoded") == 0
        visit.page.set_input_files("#file", allowed)
        visit.until("fer.frames === 1")
        assert visit.fer("error") is None
        assert visit.fer("size") == {"width": 8000, "height": MAX_PIXELS // 8000}
        visit.page.set_input_files("#file", large)
        visit.until("fer.frames === 2")
        size = visit.fer("size")
        assert 0.99 * MAX_PIXELS < size["width"] * size["height"] <= MAX_PIXELS
        assert size["width"] / size["height"] == pytest.approx(8000 / 6000, rel=1e-3)
