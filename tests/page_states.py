"""This module brings the page into each of its states, for the tests and for `make shots`."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT
from pages import FAKE_CAMERA, FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image, ImageOps
from playwright.sync_api import Browser

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
SIZE = (640, 480)
#: The browser asks its user and gets no answer.
NO_ANSWER = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});"
DENIED = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); };"
#: Looks of the page: a colour scheme, and a window.
SCHEMES = ("light", "dark")
WINDOWS = {"desk": (1280, 800), "phone": (390, 844)}


@dataclass(frozen=True)
class State:
    """Describe how to get the page into a state.

    Attributes:
        name: what it is called in file names.
        reach: brings a page whose models are loaded there.
        camera: the webcam's video, a key of `VIDEOS`; empty for a browser whose webcam is a test picture.
        script: runs before the page's own.
    """

    name: str
    reach: Callable[[Visit], None]
    camera: str = ""
    script: str = ""


def one_face() -> list[Image.Image]:
    """Return a camera's view of one person."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    return [portrait.transform(SIZE, Image.Transform.EXTENT, (20, 24, 236, 186), Image.Resampling.BICUBIC)] * 10


def four_faces() -> list[Image.Image]:
    """Return a camera's view of four people, who move a little."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((210, 210))
    frames = []
    for index in range(40):
        frame = Image.new("RGB", SIZE, (96, 92, 88))
        for place in range(4):
            angle = index / 40 * 2 * math.pi + place
            face = ImageOps.mirror(portrait) if place % 2 else portrait
            x, y = 40 + 320 * (place % 2) + 8 * math.sin(angle), 15 + 235 * (place // 2) + 6 * math.cos(angle)
            frame.paste(face, (round(x), round(y)))
        frames.append(frame)
    return frames


def far_away() -> list[Image.Image]:
    """Return a camera's view of somebody too far away to be read."""
    frame = Image.new("RGB", SIZE, (96, 92, 88))
    frame.paste(Image.open(PORTRAIT).convert("RGB").resize((64, 64), Image.Resampling.LANCZOS), (280, 180))
    return [frame] * 10


def empty(gray: int) -> list[Image.Image]:
    """Return a camera's view of a wall."""
    return [Image.new("RGB", SIZE, (gray, gray, gray))] * 10


VIDEOS: dict[str, Callable[[], list[Image.Image]]] = {
    "one": one_face,
    "four": four_faces,
    "far": far_away,
    "wall": lambda: empty(110),
    "dark": lambda: empty(6),
}


def _start(visit: Visit) -> None:
    visit.page.click("#start")
    visit.until("fer.source === 'camera' && fer.frames > 0")


def _faces(count: int) -> Callable[[Visit], None]:
    def reach(visit: Visit) -> None:
        _start(visit)
        visit.until(f"fer.faces.length === {count}")
        visit.page.wait_for_timeout(1500)

    return reach


def _nobody(visit: Visit) -> None:
    _start(visit)
    visit.page.wait_for_timeout(1500)


def _rested(visit: Visit) -> None:
    _faces(1)(visit)
    visit.page.get_by_role("button", name="Set resting face").click()
    visit.until("fer.faces[0]?.rested")
    visit.page.wait_for_timeout(1500)


def _asking(visit: Visit) -> None:
    visit.page.click("#start")
    visit.page.wait_for_timeout(300)


def _denied(visit: Visit) -> None:
    visit.page.click("#start")
    visit.until("fer.error")


def _sample(visit: Visit) -> None:
    visit.page.click("#sample")
    visit.until("fer.source === 'picture' && fer.faces.length === 1")


def _explained(visit: Visit) -> None:
    _sample(visit)
    visit.page.get_by_role("button", name="Explain").click()
    visit.page.locator("#faces canvas").first.wait_for()
    visit.page.wait_for_timeout(500)


def _album(visit: Visit) -> None:
    visit.page.set_input_files("#file", [PORTRAIT, PORTRAIT])
    visit.until("fer.source === 'picture' && fer.faces.length === 1")


def _crowd(visit: Visit) -> None:
    picture = Image.new("RGB", (1200, 1000), (96, 92, 88))
    portrait = Image.open(PORTRAIT).convert("RGB").resize((260, 260))
    for place in range(11):
        picture.paste(portrait, (30 + 290 * (place % 4), 30 + 320 * (place // 4)))
    file = io.BytesIO()
    picture.save(file, "PNG")
    visit.page.set_input_files("#file", [{"name": "crowd.png", "mimeType": "image/png", "buffer": file.getvalue()}])
    visit.until("fer.source === 'picture' && fer.faces.length === 11")


def _unreadable(visit: Visit) -> None:
    visit.page.set_input_files("#file", [{"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}])
    visit.until("fer.error")


def _about(visit: Visit) -> None:
    visit.page.click("#about > summary")


STATES = (
    State("start", lambda visit: None),
    State("asking", _asking, script=NO_ANSWER),
    State("denied", _denied, script=DENIED),
    State("one-face", _faces(1), "one"),
    State("resting-face", _rested, "one"),
    State("four-faces", _faces(4), "four"),
    State("too-far", _faces(1), "far"),
    State("nobody", _nobody, "wall"),
    State("nobody-dark", _nobody, "dark"),
    State("sample", _sample),
    State("explained", _explained),
    State("album", _album),
    State("crowd", _crowd),
    State("unreadable", _unreadable),
    State("about", _about),
)


def by_camera() -> dict[str, list[State]]:
    """Return the states by the video that the webcam shows, since each video needs a browser of its own."""
    groups: dict[str, list[State]] = {}
    for state in STATES:
        groups.setdefault(state.camera, []).append(state)
    return groups


@contextmanager
def filmed(name: str, folder: Path) -> Iterator[Browser]:
    """Start a browser whose webcam shows a video, a key of `VIDEOS`, which is written into a folder."""
    flags = camera(write_video(folder / f"{name}.mjpeg", VIDEOS[name]())) if name else FAKE_CAMERA
    with chromium_with(*flags) as browser:
        yield browser


@contextmanager
def reached(browser: Browser, state: State, scheme: str = "light", window: str = "desk") -> Iterator[Visit]:
    """Open the page in one look, bring it into a state, and yield it."""
    width, height = WINDOWS[window]
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": height},
        has_touch=window == "phone",
        reduced_motion="reduce",
    )
    if state.script:
        context.add_init_script(state.script)
    visit = Visit(context.new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    state.reach(visit)
    yield visit
    context.close()
