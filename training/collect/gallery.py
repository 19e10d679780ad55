"""This module opens a result page in headless Chromium, scrolls it to its end, and reads the addresses of its pictures.

Chromium shows no pictures here: it would fetch each a second time, without regard to robots.txt and to the rate.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from selenium import webdriver
from selenium.common.exceptions import SessionNotCreatedException, TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service

from fer_export.errors import MissingDependencyError, first_line
from fer_export.runtimes import chromium
from training.collect.limits import Limits
from training.collect.sources import ERROR, Refusal

#: Seconds to wait for new pictures after the page was scrolled to its end.
_PATIENCE = 2.0
#: Seconds to wait for new pictures after a step before the end.
_STEP = 0.3
#: Pixels; an image declared this small or smaller is an icon.
_ICON = 32
_ENDINGS = {"jpeg": (".jpg", ".jpeg"), "png": (".png",), "webp": (".webp",)}
_GATHER = Path(__file__).with_name("gallery.js").read_text(encoding="utf-8")
#: Script that moves the window and every scrolling box one view down; returns whether all were at their end before.
_SCROLL = """
const boxes = [...document.querySelectorAll('body *')].filter((box) =>
  box.clientHeight > 200 && box.scrollHeight > box.clientHeight + 20 &&
  /auto|scroll/.test(getComputedStyle(box).overflowY));
return [document.scrollingElement, ...boxes].filter(Boolean).map((box) => {
  const ended = box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
  // To and fro at the end, so that a page that listens for scrolling hears something.
  if (ended) box.scrollBy({ top: -50, behavior: 'instant' });
  box.scrollBy({ top: box.clientHeight, behavior: 'instant' });
  return ended;
}).every(Boolean);
"""


class Gallery:
    """Drive Chromium with one tab. Use it as a context manager."""

    def __init__(self, limits: Limits, agent: str, browser: str, driver: str, *, sandbox: bool = True) -> None:
        """Start the browser.

        Args:
            limits: scrolls, types and timeout.
            agent: text that is added to the browser's own User-Agent.
            browser: path of Chromium or Chrome.
            driver: path of chromedriver.
            sandbox: False in containers that allow none. For root it is always off, since Chromium then refuses it.

        Raises:
            MissingDependencyError: browser and driver do not start, or are not of one version.
        """
        self._limits = limits
        # Chromium leaves its socket behind when its driver ends it. The name is short because a socket's path must be.
        self._scratch = TemporaryDirectory(prefix="fer-", ignore_cleanup_errors=True)
        try:
            self._driver = _start(browser, driver, sandbox, self._scratch.name)
        except MissingDependencyError:
            self._scratch.cleanup()
            raise
        self._driver.set_page_load_timeout(limits.timeout)
        own = self._driver.execute_cdp_cmd("Browser.getVersion", {})["userAgent"]
        self._driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": f"{own} {agent}"})

    def open(self, address: str) -> str:
        """Load a page.

        Returns:
            Its address after redirects.

        Raises:
            Refusal: it does not load, or the server answers with an error.
        """
        try:
            self._driver.get(address)
            script = "return performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"
            status = int(self._driver.execute_script(script))
            landed: str = self._driver.current_url
        except TimeoutException as error:
            raise Refusal(ERROR, f"not loaded after {self._limits.timeout:g} s") from error
        except WebDriverException as error:
            raise Refusal(ERROR, _reason(error)) from error
        if status >= 400:
            raise Refusal(ERROR, f"answered {status}", status=status, address=landed)
        return landed

    def pictures(self) -> Iterator[tuple[str, ...]]:
        """Yield the addresses of the open page's pictures, in page order: each picture's best first, then its others.

        The page is scrolled when the next picture is asked for. This ends when the end of the page shows nothing new.

        Raises:
            Refusal: the browser lost the page.
        """
        seen: set[tuple[str, ...]] = set()
        try:
            yield from self._new(seen, _PATIENCE)
            for _ in range(self._limits.scrolls):
                ended = bool(self._driver.execute_script(_SCROLL))
                new = self._new(seen, _PATIENCE if ended else _STEP)
                yield from new
                if ended and not new:
                    return
        except WebDriverException as error:
            raise Refusal(ERROR, _reason(error)) from error

    def _new(self, seen: set[tuple[str, ...]], patience: float) -> list[tuple[str, ...]]:
        """Return the pictures that were not there before, waiting for them for up to `patience` seconds."""
        endings = [ending for kind in self._limits.types for ending in _ENDINGS[kind]]
        deadline = time.monotonic() + patience
        while True:
            found = self._driver.execute_script(_GATHER, self._limits.media_types, endings, _ICON)
            new = [addresses for addresses in dict.fromkeys(map(tuple, found)) if addresses not in seen]
            if new or time.monotonic() > deadline:
                seen.update(new)
                return new
            time.sleep(0.1)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._driver.quit()
        finally:
            self._scratch.cleanup()


def _start(browser: str, driver: str, sandbox: bool, scratch: str) -> webdriver.Chrome:
    # The driver's path is given, so selenium-manager is not called; these variables keep it offline if that changes.
    os.environ.update(SE_OFFLINE="true", SE_AVOID_STATS="true")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.page_load_strategy = "eager"
    options.unhandled_prompt_behavior = "dismiss"
    options.add_experimental_option("prefs", {"download_restrictions": 3})
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    # Strangers' pages run in this browser, so the sandbox stays on where it can.
    flags = [flag for flag in chromium.ARGUMENTS if flag != "--no-sandbox" or root or not sandbox]
    for flag in (*flags, "--headless", "--disable-dev-shm-usage", "--blink-settings=imagesEnabled=false"):
        options.add_argument(flag)
    options.add_argument("--window-size=1280,1600")
    # The driver gets a session of its own, so that Ctrl-C in a terminal reaches us alone and we close the browser.
    service = Service(
        executable_path=driver, env={**os.environ, "TMPDIR": scratch}, popen_kw={"start_new_session": True}
    )
    try:
        return webdriver.Chrome(options=options, service=service)
    except (SessionNotCreatedException, WebDriverException, OSError) as error:
        reason = _reason(error)
        raise MissingDependencyError(
            f"{browser} does not start under {driver}: {reason}",
            hint="both must be of one version; in a container try --no-sandbox",
        ) from error


def _reason(error: BaseException) -> str:
    """Return selenium's message without the reference to its documentation."""
    return first_line(error).removeprefix("Message: ").partition("; For documentation")[0]
