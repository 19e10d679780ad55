"""This module is `make soak`: the page before a webcam for minutes, and what it keeps of them.

People come and go in a made-up video that the webcam repeats. Memory is read after a garbage collection: the page's own
heap, and all that its process holds (Linux alone), the worker's heap and WebAssembly among it. It ends with 1 where
tensors are kept, where memory grows by more than `GROWTH` from the second fifth of the time to the last, where anything
jumps (cumulative layout shift, the worst burst of five seconds: https://web.dev/articles/cls), or where the browser
complains.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from page_states import empty, four_faces, one_face
from pages import FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image
from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

#: How much the heap and the process may grow, in MB. Chromium itself moves a process by some ten.
GROWTH = {"heap": 2.0, "process": 30.0}
#: The most that may jump, as `page_motion.py` allows it.
SHIFT = 0.02
#: A task of the main thread that is longer is one that a person may feel, in ms: https://www.w3.org/TR/longtasks-1/.
LONG = 50
#: Heaps are read exactly, and cleared first.
FLAGS = ("--js-flags=--expose-gc", "--enable-precise-memory-info")
HEAP = "() => { gc(); return performance.memory.usedJSHeapSize / 1e6; }"
WATCH = """() => {
  window.watched = { shift: 0, tasks: [] };
  const burst = { sum: 0, first: -Infinity, last: -Infinity };
  const watch = (type, see) => new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({ type });
  watch("layout-shift", ({ value, hadRecentInput, startTime }) => {
    if (hadRecentInput) return;
    const old = startTime - burst.last > 1000 || startTime - burst.first > 5000;
    if (old) Object.assign(burst, { sum: 0, first: startTime });
    burst.sum += value;
    burst.last = startTime;
    watched.shift = Math.max(watched.shift, burst.sum);
  });
  watch("longtask", ({ duration }) => watched.tasks.push(duration));
}"""


@dataclass(frozen=True)
class Reading:
    """Hold what was read at one moment.

    Attributes:
        seconds: since the camera started.
        heap: of the page, in MB.
        process: all that its process holds, in MB; not a number where the system does not tell.
        nodes: elements of the page.
        tensors: that TF.js holds.
        fps: pictures read per second.
        frames: pictures read so far.
    """

    seconds: float
    heap: float
    process: float
    nodes: int
    tensors: int
    fps: float
    frames: int


def main() -> None:
    """Run it, print what was read, and end with 1 where something is kept."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=…", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder) / "people.mjpeg", people())
        with chromium_with(*camera(video), *FLAGS) as browser:
            visit = Visit(browser.new_page(viewport={"width": 1280, "height": 800}))
            visit.page.goto(FROM_DISK)
            visit.until("fer.ready")
            pids = renderers(browser)
            readings = run(visit, pids, given.minutes * 60, console)
            watched = visit.page.evaluate("window.watched")
            faults = judge(readings, watched["shift"], visit.complaints)
    tasks = sorted(watched["tasks"])
    longest = f"tasks over {LONG} ms: {len(tasks)}, longest {max(tasks, default=0):.0f} ms"
    console.print(f"layout shift {watched['shift']:.4f}; {longest}")
    for fault in faults:
        console.print(f"fault: {fault}")
    raise SystemExit(bool(faults))


def people() -> list[Image.Image]:
    """Return a video, at 30 frames a second: one person, four, and nobody for long enough that all are given up."""
    return [*one_face() * 9, *four_faces() * 2, *empty(110) * 12]


def run(visit: Visit, pids: list[int], seconds: float, console: Console) -> list[Reading]:
    """Start the camera and read every tenth of a minute, at the least twenty times in all."""
    visit.page.evaluate(WATCH)
    visit.page.click("#start")
    visit.until("fer.source === 'camera' && fer.frames > 0")
    start, readings = time.monotonic(), []
    every = min(6.0, seconds / 20)
    with console.status("soaking") as status:
        while (passed := time.monotonic() - start) < seconds:
            visit.page.wait_for_timeout(every * 1000)
            readings.append(read(visit, pids, passed))
            status.update(f"soaking: {passed / 60:.1f} of {seconds / 60:.1f} minutes")
    table = Table("minutes", "heap, MB", "process, MB", "elements", "tensors", "fps", "pictures")
    for one in readings[:: max(1, len(readings) // 10)]:
        row = (
            f"{one.seconds / 60:.1f}",
            f"{one.heap:.2f}",
            f"{one.process:.0f}",
            one.nodes,
            one.tensors,
            f"{one.fps:.0f}",
            one.frames,
        )
        table.add_row(*map(str, row))
    console.print(table)
    return readings


def read(visit: Visit, pids: list[int], seconds: float) -> Reading:
    """Read once, between two pictures."""
    (worker,) = visit.page.workers
    worker.evaluate("gc()")
    heap = visit.page.evaluate(HEAP)
    nodes = visit.page.evaluate("document.querySelectorAll('*').length")
    return Reading(
        seconds, heap, sum(map(held, pids)), nodes, *(visit.fer(name) for name in ("tensors", "fps", "frames"))
    )


def renderers(browser: Browser) -> list[int]:
    """Return the processes that hold pages."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return [one["id"] for one in told["processInfo"] if one["type"] == "renderer"]


def held(pid: int) -> float:
    """Return what a process holds in memory, in MB (`VmRSS` of proc(5))."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return math.nan
    return next(
        int(line.split()[1]) / 1e3 for line in status.read_text("ascii").splitlines() if line.startswith("VmRSS")
    )


def judge(readings: list[Reading], shift: float, complaints: list[str]) -> list[str]:
    """Return what is wrong."""
    faults = [*complaints]
    fifth = max(1, len(readings) // 5)
    first, last = readings[fifth : 2 * fifth], readings[-fifth:]
    for name, most in GROWTH.items():
        before, after = (statistics.median(getattr(one, name) for one in some) for some in (first, last))
        if after - before > most:
            faults.append(f"the {name} grew from {before:.1f} to {after:.1f} MB, and {most} are allowed")
    if min(one.tensors for one in last) > min(one.tensors for one in first):
        faults.append("tensors are kept")
    if shift > SHIFT:
        faults.append(f"the layout shifted by {shift:.3f}, and {SHIFT} are allowed")
    return faults


if __name__ == "__main__":
    main()
