"""This module times frames on the page, with a face on the camera: detector, tracker and classifier."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from PIL import Image

from fer_export.diagnose.bench.timing import quartiles
from fer_export.errors import InvalidInputError, MissingDependencyError
from fer_export.parity.samples import PORTRAIT
from fer_export.runtimes import chromium, driver

#: The number of frames that Chromium's fake camera plays, at 30 a second unless the page is busy.
FRAMES = 90
_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
_PATIENCE = 120.0
#: The script listens to the worker's messages, which say how long each frame took.
_LISTEN = """
window.benchSights = [];
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => { if (data.kind === "sight") window.benchSights.push(data); });
  }
};
"""


def time_page(index: Path, *, seconds: float = 10.0) -> dict[str, Any]:
    """Time the page, opened from disk in headless Chromium with a fake camera that pans over the packaged portrait.

    Args:
        index: the `index.html` of the built page.
        seconds: how long frames are counted, after the first 30.

    Returns:
        `backend`; `fps`, frames read per second (no more than the camera gives); `frames`, how many; `faces`,
        the share of them with a face; for `followed` and `searched` frames (only O-Net on a known face, or
        the whole cascade) `share` and, of the milliseconds in the worker, `median`, `q1` and `q3` where there
        are two frames or more.

    Raises:
        MissingDependencyError: Playwright, a browser, or the built page is missing.
        InvalidInputError: the page fails.
    """
    if not all((index.parent / "dist" / name).is_file() for name in ("fer.js", "models.js")):
        raise MissingDependencyError(f"{index}: the page is not built", hint="make web")
    path = chromium.find()
    with TemporaryDirectory(prefix="fer-export-bench-") as temporary, driver.playwright() as playwright:
        video = Path(temporary, "face.mjpeg")
        film(video)
        flags = [*chromium.ARGUMENTS, *_CAMERA, f"--use-file-for-fake-video-capture={video}"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page()
        page.add_init_script(_LISTEN)
        page.goto(index.resolve().as_uri())
        _until(page, "fer.ready")
        page.click("#start")
        _until(page, "fer.frames >= 30")
        page.evaluate("benchSights.length = 0")
        start = monotonic()
        page.wait_for_timeout(seconds * 1000)
        sights = page.evaluate("benchSights.map(sight => [sight.milliseconds, sight.searched, sight.faces.length])")
        elapsed = monotonic() - start
        backend = page.evaluate("fer.backend")
        browser.close()
    if not sights:
        raise InvalidInputError(f"{index}: the page read no frame in {seconds:g} seconds")
    return {
        "backend": backend,
        "fps": len(sights) / elapsed,
        "frames": len(sights),
        "faces": sum(faces > 0 for _, _, faces in sights) / len(sights),
        "followed": _cost([took for took, searched, _ in sights if not searched], len(sights)),
        "searched": _cost([took for took, searched, _ in sights if searched], len(sights)),
    }


def film(path: Path) -> None:
    """Write three seconds of 640×480, JPEG after JPEG, of the portrait as a panning camera would show it."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    with path.open("wb") as out:
        for index in range(FRAMES):
            angle = index / FRAMES * 2 * math.pi
            x, y = 20 + 16 * math.sin(angle), 24 + 12 * math.cos(angle)
            frame = portrait.transform(
                (640, 480), Image.Transform.EXTENT, (x, y, x + 216, y + 162), Image.Resampling.BICUBIC
            )
            frame.save(out, "JPEG", quality=92)


def _until(page: Any, expression: str) -> None:
    """Wait until an expression is true; Playwright's own waiting needs eval, which the page's policy forbids."""
    end = monotonic() + _PATIENCE
    while not page.evaluate(f"(() => {{ const fer = window.fer; return Boolean(fer && ({expression})); }})()"):
        error = page.evaluate("window.fer ? window.fer.error : null")
        if error or monotonic() > end:
            raise InvalidInputError(f"the page failed: {error or f'{expression} did not become true'}")
        page.wait_for_timeout(50)


def _cost(milliseconds: list[float], frames: int) -> dict[str, float]:
    return {
        "share": len(milliseconds) / frames,
        **(quartiles(milliseconds) if len(milliseconds) > 1 else {}),
    }
