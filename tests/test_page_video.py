"""These tests check video files on the page: play, pause, step, another place, and files that are none."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from conftest import ROOT
from pages import FROM_DISK, Visit
from playwright.sync_api import Browser

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
RATE, FRAMES = 20, 40
#: Encodes a canvas on which the portrait moves to the right; the pictures as base64, and which are key frames.
ENCODE = """async ([source, rate, frames]) => {
  const image = await createImageBitmap(await (await fetch(source)).blob());
  const canvas = new OffscreenCanvas(640, 480);
  const context = canvas.getContext('2d');
  const chunks = [];
  const encoder = new VideoEncoder({
    output: chunk => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      chunks.push([btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join('')), chunk.type === 'key']);
    },
    error: reason => { throw reason; },
  });
  encoder.configure({ codec: 'vp8', width: 640, height: 480, bitrate: 1e6 });
  for (let index = 0; index < frames; index++) {
    context.fillStyle = 'gray';
    context.fillRect(0, 0, 640, 480);
    context.drawImage(image, 40 + 4 * index, 60, 320, 320 * image.height / image.width);
    const frame = new VideoFrame(canvas, { timestamp: index * 1e6 / rate });
    encoder.encode(frame, { keyFrame: index % 10 === 0 });
    frame.close();
  }
  await encoder.flush();
  return chunks;
}"""


def element(name: str, content: bytes) -> bytes:
    """Write an element of EBML (RFC 8794): its ID as hexadecimal, its size in eight bytes, its content."""
    return bytes.fromhex(name) + (0x0100000000000000 | len(content)).to_bytes(8, "big") + content


def webm(chunks: list[tuple[bytes, bool]]) -> bytes:
    """Put VP8 pictures into a WebM file (RFC 9559) with its length, one cluster a second."""
    header = element("4286", b"\1") + element("42F7", b"\1") + element("42F2", b"\4") + element("42F3", b"\x08")
    header += element("4282", b"webm") + element("4287", b"\2") + element("4285", b"\2")
    length = struct.pack(">d", 1000 * len(chunks) / RATE)
    info = element("2AD7B1", (1_000_000).to_bytes(4, "big")) + element("4489", length)
    info += element("4D80", b"tests") + element("5741", b"tests")
    size = element("B0", (640).to_bytes(2, "big")) + element("BA", (480).to_bytes(2, "big"))
    track = element("D7", b"\1") + element("73C5", b"\1") + element("83", b"\1") + element("86", b"V_VP8")
    track += element("E0", size)
    body = element("1549A966", info) + element("1654AE6B", element("AE", track))
    for start in range(0, len(chunks), RATE):
        blocks = b"".join(
            element("A3", b"\x81" + struct.pack(">hB", 1000 * number // RATE, 0x80 if key else 0) + content)
            for number, (content, key) in enumerate(chunks[start : start + RATE])
        )
        body += element("1F43B675", element("E7", (1000 * start // RATE).to_bytes(4, "big")) + blocks)
    return element("1A45DFA3", header) + element("18538067", body)


@pytest.fixture(scope="module")
def film(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WebM of one face, two seconds long, encoded by the browser itself."""
    page = chromium.new_context().new_page()
    page.goto(FROM_DISK)
    source = "data:image/png;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode()
    chunks = page.evaluate(ENCODE, [source, RATE, FRAMES])
    page.context.close()
    path = tmp_path_factory.mktemp("film") / "face.webm"
    path.write_bytes(webm([(base64.b64decode(text), key) for text, key in chunks]))
    return path


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
    assert visit.said("#play-time").endswith(" / 0:02.0")
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
