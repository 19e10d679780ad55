"""This module opens and drives the page in a real Chromium, from disk or a server, with a webcam that plays a file."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from conftest import ROOT
from PIL import Image
from playwright.sync_api import Browser, Page

from fer_export.runtimes import chromium, driver

WEB = ROOT / "web"
FROM_DISK = (WEB / "index.html").as_uri()
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


class Visit:
    """An opened page, all that it asked for and all that it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "info" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def fer(self, field: str) -> Any:
        """Return a field of `window.fer`. (Playwright's own waiting needs eval, which the page's CSP forbids.)"""
        return self.page.evaluate(f"window.fer && window.fer.{field}")

    def said(self, selector: str) -> str:
        """Return an element's text, which a person has to see: `inner_text` alone gives that of hidden ones too."""
        assert self.page.is_visible(selector), f"{selector} is not shown"
        return self.page.inner_text(selector)

    def until(self, expression: str, seconds: float = 90) -> None:
        """Wait for an expression over `fer` to become true."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(f"(() => {{ const fer = window.fer; return Boolean(fer && ({expression})); }})()"):
            assert time.monotonic() < end, f"waited for {expression}; error: {self.fer('error')}"
            self.page.wait_for_timeout(50)


@contextmanager
def chromium_with(*flags: str) -> Iterator[Browser]:
    """Start a fresh Chromium with these flags."""
    with driver.playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=[*chromium.ARGUMENTS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(address: str, *flags: str, **context: Any) -> Iterator[Visit]:
    """Open the page in a fresh Chromium with these flags, and wait until its models are loaded."""
    with chromium_with(*flags) as browser:
        visit = Visit(browser.new_context(**context).new_page())
        visit.page.goto(address)
        visit.until("fer.ready")
        yield visit


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder from a plain static host on loopback, and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def camera(video: Path) -> tuple[str, ...]:
    """Return the flags for a webcam that shows this video."""
    return (*FAKE_CAMERA, f"--use-file-for-fake-video-capture={video}")


def write_video(path: Path, frames: list[Image.Image]) -> Path:
    """Write what Chromium's fake webcam plays, again and again: an .mjpeg is JPEGs one after the other."""
    with path.open("wb") as out:
        for frame in frames:
            frame.save(out, "JPEG", quality=92)
    return path
