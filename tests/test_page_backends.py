"""These tests choose the page's backend, by its address and by hand, and measure all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from pages import FROM_DISK, WEB, Visit, camera, hosted, visiting, write_video
from PIL import Image
from playwright.sync_api import Browser

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
LINE = re.compile(r"median [\d.]+ ms, 90th percentile [\d.]+ ms of \d+ pictures; matches PyTorch within \de-\d+$")
#: A search in plain JavaScript takes a second or more while the machine has other things to do.
PATIENCE = 300

#: Puts code before the worker's own.
BEFORE_THE_WORKER = """
window.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === "text/javascript" ? [%s, ...parts] : parts, options);
  }
};
"""
#: WebAssembly computes wrongly: whatever tfjs reads from its memory is off by a tenth, but for whole numbers and
#: integers' bytes, so that the backend starts. The other backends are as they were.
WRONG_WASM = """{
  const slice = Uint8Array.prototype.slice;
  Uint8Array.prototype.slice = function (...range) {
    const bytes = slice.apply(this, range);
    if (this.length < 2 ** 20 || bytes.length % 4 > 0) return bytes;
    const floats = new Float32Array(bytes.buffer);
    const fraction = (value) => Math.abs(value) > 1e-30 && !Number.isInteger(value);
    floats.forEach((value, index) => { if (fraction(value)) floats[index] = value * 1.1; });
    return bytes;
  };
}
"""
#: The browser has no WebGL.
NO_WEBGL = (
    "OffscreenCanvas.prototype.getContext = ((own) => function (kind, ...more) {"
    " return kind.startsWith('webgl') ? null : own.call(this, kind, ...more); })(OffscreenCanvas.prototype.getContext);"
)


@contextmanager
def opened(chromium: Browser, query: str = "", before: str = "", address: str = FROM_DISK) -> Iterator[Visit]:
    """Open the page with a query, and code before the worker's own; wait until it is ready."""
    context = chromium.new_context()
    if before:
        context.add_init_script(BEFORE_THE_WORKER % json.dumps(before))
    visit = Visit(context.new_page())
    visit.page.goto(address + query)
    visit.until("fer.ready", PATIENCE)
    yield visit
    context.close()


def reads_the_portrait(visit: Visit) -> None:
    frames = visit.fer("frames")
    visit.page.click("#sample")
    visit.until(f"fer.frames === {frames + 1}", PATIENCE)
    assert [face["label"] for face in visit.fer("faces")] == ["happiness"]


def about(visit: Visit) -> None:
    visit.page.click("#about summary")


def shown(visit: Visit, selector: str) -> None:
    visit.page.locator(selector).wait_for(state="visible", timeout=1000 * PATIENCE)


def rows(visit: Visit) -> dict[str, str]:
    """The rows of what was measured, by backend."""
    return dict(row.split(": ", 1) for row in visit.page.locator("#speed-rows li").all_inner_texts())


@pytest.mark.parametrize("backend", ["wasm", "webgl", "cpu"])
def test_a_backend_is_taken_by_the_address(chromium: Browser, backend: str) -> None:
    with opened(chromium, f"?backend={backend}") as visit:
        if backend == "webgl" and "not available here" in (visit.fer("error") or ""):
            pytest.skip(visit.fer("error"))
        assert visit.fer("error") is None
        assert visit.fer("backend") == visit.said("#backend") == backend
        assert visit.fer("parity.ok") is True
        reads_the_portrait(visit)
        about(visit)
        assert visit.page.input_value("#backend-choice") == backend
        assert any(request.endswith("backends.js") for request in visit.requests) is (backend != "wasm")
        assert len(visit.page.workers) == 1


def test_an_unknown_backend_is_said_and_the_usual_one_taken(chromium: Browser) -> None:
    with opened(chromium, "?backend=abacus") as visit:
        visit.until("fer.error")
        assert "?backend=abacus is no backend that this page has (wasm, webgl, cpu, auto)" in visit.said("#alert")
        assert visit.fer("backend") == "wasm"
        reads_the_portrait(visit)


def test_a_backend_that_is_not_there_is_said_and_another_taken(chromium: Browser) -> None:
    with opened(chromium, "?backend=webgl", NO_WEBGL) as visit:
        visit.until("fer.error")
        assert re.fullmatch(r"webgl: not available here: .+\. wasm is used in its place\.", visit.said("#alert"))
        assert visit.fer("backend") == "wasm"
        assert len(visit.page.workers) == 1


def test_without_the_script_of_the_other_backends_the_usual_one_is_taken(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    for name in ("index.html", "style.css", "dist/fer.js", "dist/models.js"):
        (tmp_path / name).write_bytes((WEB / name).read_bytes())
    with hosted(tmp_path) as host, opened(chromium, "?backend=cpu", address=f"{host}/index.html") as visit:
        visit.until("fer.error")
        assert "cpu: not available here: dist/backends.js is missing or damaged" in visit.said("#alert")
        assert visit.fer("backend") == "wasm"
        assert len(visit.page.workers) == 1


def test_a_backend_is_chosen_by_hand(visit: Visit) -> None:
    reads_the_portrait(visit)
    about(visit)
    visit.page.select_option("#backend-choice", "cpu")
    visit.until("fer.backend === 'cpu' && fer.source === 'none'", PATIENCE)
    assert visit.said("#backend") == "cpu"
    assert visit.fer("parity.ok") is True
    assert visit.fer("error") is None
    reads_the_portrait(visit)
    visit.page.select_option("#backend-choice", "wasm")
    visit.until("fer.backend === 'wasm'", PATIENCE)
    reads_the_portrait(visit)
    assert len(visit.page.workers) == 1


def test_a_choice_that_fails_leaves_the_backend_as_it_was(chromium: Browser) -> None:
    with opened(chromium, "", NO_WEBGL) as visit:
        about(visit)
        visit.page.select_option("#backend-choice", "webgl")
        visit.until("fer.error", PATIENCE)
        assert "webgl: not available here" in visit.said("#alert")
        visit.page.locator("#backend-choice:enabled").wait_for()
        assert visit.page.input_value("#backend-choice") == "wasm"
        assert visit.fer("backend") == visit.said("#backend") == "wasm"
        reads_the_portrait(visit)
        assert len(visit.page.workers) == 1


def test_auto_refuses_a_backend_whose_numbers_differ(chromium: Browser) -> None:
    """The fastest here, as the test after this one shows."""
    with opened(chromium, "?backend=auto", NO_WEBGL + WRONG_WASM) as visit:
        assert visit.fer("error") is None
        assert visit.fer("backend") == visit.said("#backend") == "cpu"
        assert visit.fer("parity.ok") is True
        about(visit)
        figures = rows(visit)
        assert re.fullmatch(r"refused: differs from PyTorch by \de.\d", figures["wasm"])
        assert figures["webgl"].startswith("not available here: ")
        assert re.fullmatch(r"[\d.]+\sms, matches PyTorch within \de.\d", figures["cpu"])
        assert visit.page.input_value("#backend-choice") == "auto"
        assert len(visit.page.workers) == 1


def test_auto_takes_the_fastest(chromium: Browser) -> None:
    with opened(chromium, "?backend=auto", NO_WEBGL) as visit:
        about(visit)
        figures = {backend: row for backend, row in rows(visit).items() if "matches" in row}
        assert set(figures) == {"wasm", "cpu"}
        assert visit.fer("backend") == min(figures, key=lambda name: float(figures[name].split("\u00a0")[0]))


def test_what_is_measured_can_be_copied_and_leaves_nothing_behind(chromium: Browser) -> None:
    with hosted(WEB) as host, opened(chromium, address=f"{host}/index.html") as visit:
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        tensors = visit.fer("tensors")
        about(visit)
        for _ in range(2):
            visit.page.click("#measure")
            assert not visit.page.is_enabled("#measure")
            assert re.search(r"Measuring wasm \(1 of 3\)", visit.said("#speed-note"))
            assert not visit.page.is_visible("#copy-speed")
            shown(visit, "#copy-speed")
            assert visit.page.is_enabled("#measure")
            assert list(rows(visit)) == ["wasm", "webgl", "cpu"]
            visit.page.click("#copy-speed")
            visit.page.get_by_text("Copied.").wait_for()
            assert not visit.page.is_visible("#speed-text")
            check_text(visit, visit.page.evaluate("navigator.clipboard.readText()"))
        assert len(visit.page.workers) == 1
        reads_the_portrait(visit)
        assert visit.fer("tensors") == tensors
        assert visit.fer("backend") == "wasm"


def check_text(visit: Visit, text: str) -> None:
    head, *lines = text.splitlines()
    assert head == "fer-export, time to search the sample portrait and read its expressions (faces found: 1)"
    facts = dict(line.split(": ", 1) for line in lines)
    assert facts["Browser"] == visit.page.evaluate("navigator.userAgent")
    assert int(facts["Cores"]) == visit.page.evaluate("navigator.hardwareConcurrency")
    assert re.fullmatch(r"fernet, float16 weights, sha256 [0-9a-f]{16}", facts["Model"])
    assert LINE.match(facts["wasm"])
    assert LINE.match(facts["cpu"])
    assert LINE.match(facts["webgl"]) or facts["webgl"].startswith("not available here: ")


def test_where_the_clipboard_is_refused_the_text_is_selected(chromium: Browser) -> None:
    with opened(chromium, "", NO_WEBGL) as visit:
        visit.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
        about(visit)
        visit.page.click("#measure")
        shown(visit, "#copy-speed")
        visit.page.click("#copy-speed")
        shown(visit, "#speed-text")
        assert "copy it by hand" in visit.said("#speed-note")
        check_text(visit, visit.page.input_value("#speed-text"))
        assert visit.page.evaluate("getSelection().toString()") == visit.page.input_value("#speed-text")


def test_a_picture_has_its_time_by_stages(visit: Visit) -> None:
    reads_the_portrait(visit)
    assert visit.page.text_content("#stages") == ""  # nobody could read it
    about(visit)
    visit.page.locator("#stages", has_text="Time").wait_for()
    assert sum(stages(visit)[1:]) == pytest.approx(stages(visit)[0], abs=0.3)
    assert min(stages(visit)) > 0


def stages(visit: Visit) -> list[float]:
    number = r"([\d.]+)"
    parts = ", ".join(rf"{stage}\s{number}" for stage in ("pixels", "faces", "people", "expressions"))
    line = rf"Time for a picture: {number}\sms \({parts}\)"
    found = re.fullmatch(line, visit.said("#stages"))
    assert found, visit.said("#stages")
    return [float(value) for value in found.groups()]


def test_with_a_camera_the_time_moves_and_measuring_says_that_it_disturbs(tmp_path: Path) -> None:
    frames = [Image.open(PORTRAIT).convert("RGB").resize((320, 320))] * 4
    with visiting(FROM_DISK, *camera(write_video(tmp_path / "face.mjpeg", frames))) as visit:
        visit.page.click("#start")
        visit.until("fer.framesWithFaces > 3")
        assert visit.page.text_content("#stages") == ""
        about(visit)
        visit.page.locator("#stages", has_text="Time").wait_for()
        changes = visit.page.evaluate(
            """async () => {
              const line = document.getElementById("stages");
              const top = () => line.nextElementSibling.getBoundingClientRect().top;
              const place = top();
              const seen = [];
              const watch = new MutationObserver(() => seen.push(top() - place));
              watch.observe(line, { childList: true, characterData: true, subtree: true });
              await new Promise((resolve) => setTimeout(resolve, 2200));
              return seen;
            }"""
        )
        assert 1 <= len(changes) <= 5
        assert set(changes) == {0}
        assert min(stages(visit)) >= 0
        visit.page.click("#measure")
        shown(visit, "#copy-speed")
        assert "makes these figures worse" in visit.said("#speed-note")
        assert visit.fer("source") == "camera"
        assert len(visit.page.workers) == 1
