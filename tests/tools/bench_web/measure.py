"""This module runs the contenders in a browser."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any, ClassVar

from fer_export.runtimes import chromium, driver

BENCH = Path(__file__).parents[3] / "web" / "bench"
OURS, OTHERS = "ours", ("human", "face-api")
#: Frames that are run and not counted: the first ones compile and search.
WARM_UP = 10

#: For each contender, milliseconds of each frame and the number of faces in it.
Times = dict[str, list[dict[str, float]]]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def browser_page(names: Sequence[str]) -> Iterator[Any]:
    """Open the bench's page with these contenders ready to read frames."""
    handler = functools.partial(_Quiet, directory=str(BENCH))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        driver.playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.ARGUMENTS))
        try:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            for name in names:
                page.evaluate("benchStart", name)
            yield page
        finally:
            browser.close()
            server.shutdown()


def read(page: Any, names: Sequence[str], frames: Sequence[str], *, rate: float, alone: bool) -> Times:
    """Let the contenders read each frame in turn.

    Args:
        page: what `browser_page` yields.
        names: the contenders.
        frames: pictures as data: URLs.
        rate: frames a second, for what goes by a clock.
        alone: whether each frame is a picture by itself and not the next one of a stream.
    """
    times: Times = {name: [] for name in names}
    for index, frame in enumerate(frames):
        call = "([names, frame, index, time, alone]) => benchFrame(names, frame, index, time, alone)"
        answer = page.evaluate(call, [list(names), frame, index, 1000 + 1000 * index / rate, alone])
        for name, result in answer.items():
            times[name].append(result)
    return times


def summary(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return mean, median and 99th percentile of the milliseconds a frame, p99 over median, and faces a frame."""
    counted = [result["milliseconds"] for result in results]
    worst = quantiles(counted, n=100, method="inclusive")[98] if len(counted) > 1 else counted[0]
    return {
        "mean": fmean(counted),
        "median": median(counted),
        "p99": worst,
        "p99_over_median": worst / median(counted),
        "faces": fmean(result["faces"] for result in results),
    }
