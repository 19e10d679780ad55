"""These tests check how pictures come into the page: dropped, pasted, several at once, and in formats of phones."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from conftest import ROOT
from pages import FROM_DISK, Visit
from PIL import Image

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of one face, of two, and of nobody."""
    folder = tmp_path_factory.mktemp("three")
    portrait = Image.open(PORTRAIT).convert("RGB")
    two = Image.new("RGB", (2 * portrait.width, portrait.height))
    two.paste(portrait, (0, 0))
    two.paste(portrait, (portrait.width, 0))
    pictures = {"one.png": portrait, "two.png": two, "nobody.png": Image.new("RGB", (320, 240), "gray")}
    for name, picture in pictures.items():
        picture.save(folder / name)
    return [folder / name for name in pictures]


def drop(visit: Visit, paths: list[Path], x: float, y: float) -> None:
    """Drag files from outside onto a place of the page, and let go."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    devtools = visit.page.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


@pytest.mark.parametrize("place", [(5, 5), (640, 20), (1000, 400)], ids=["corner", "title", "beside"])
def test_a_picture_may_be_dropped_anywhere(visit: Visit, place: tuple[int, int]) -> None:
    drop(visit, [PORTRAIT], *place)
    visit.until("fer.frames === 1")
    assert len(visit.fer("faces")) == 1
    assert visit.page.url == FROM_DISK
    assert not visit.page.evaluate("document.querySelector('#stage').classList.contains('dragging')")


def test_a_dropped_text_leaves_neither_the_page_nor_the_picture(visit: Visit) -> None:
    drop(visit, [PORTRAIT], 5, 5)
    visit.until("fer.frames === 1")
    devtools = visit.page.context.new_cdp_session(visit.page)
    link = {"mimeType": "text/uri-list", "data": "https://example.org/"}
    data = {"items": [link], "files": [], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 5, "y": 5, "data": data})
    visit.page.wait_for_timeout(200)
    assert visit.page.url == FROM_DISK
    assert visit.said("#alert") == "That is no file. Drop a picture or video that is saved on this device."
    assert len(visit.fer("faces")) == 1


def test_a_pasted_picture_is_read(visit: Visit) -> None:
    visit.page.evaluate(
        """text => {
          const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        base64.b64encode(PORTRAIT.read_bytes()).decode(),
    )
    visit.until("fer.frames === 1")
    assert len(visit.fer("faces")) == 1


def test_several_pictures_are_turned_through(visit: Visit, three: list[Path]) -> None:
    visit.page.set_input_files("#file", three)
    visit.until("fer.frames === 1")
    assert visit.said("#album-place") == "1 of 3"
    assert len(visit.fer("faces")) == 1
    visit.page.click("#previous", force=True)  # there is none before it, which nothing may break
    visit.page.click("#next")
    visit.until("fer.frames === 2")
    assert visit.said("#album-place") == "2 of 3"
    assert len(visit.fer("faces")) == 2
    visit.page.keyboard.press("ArrowRight")
    visit.until("fer.frames === 3")
    assert visit.said("#album-place") == "3 of 3"
    assert visit.fer("faces") == []
    visit.page.click("#next", force=True)
    visit.page.click("#stop")
    assert not visit.page.is_visible("#album")
    visit.page.set_input_files("#file", three[0])
    visit.until("fer.frames === 4")
    assert not visit.page.is_visible("#album"), "there is nothing to turn to"


def test_the_last_picture_asked_for_is_shown(visit: Visit, three: list[Path]) -> None:
    """Decoding the first is held up until the second is on the screen."""
    visit.page.evaluate("""() => {
      const decode = window.createImageBitmap;
      let first = true;
      window.createImageBitmap = async (...given) => {
        if (first) { first = false; await new Promise(resolve => { window.goOn = resolve; }); }
        return decode(...given);
      };
    }""")
    visit.page.set_input_files("#file", three[:2])
    visit.until("window.goOn")
    visit.page.click("#next")
    visit.until("fer.frames === 1")
    visit.page.evaluate("goOn()")
    visit.page.wait_for_timeout(500)
    assert visit.fer("frames") == 1
    assert len(visit.fer("faces")) == 2


def test_a_file_that_cannot_be_read_is_named(visit: Visit, tmp_path: Path, three: list[Path]) -> None:
    heic = tmp_path / "IMG_0001.HEIC"
    heic.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64))
    note = tmp_path / "note.png"
    note.write_text("a note")
    visit.page.set_input_files("#file", heic)
    visit.until("fer.error")
    assert visit.said("#alert") == (
        "IMG_0001.HEIC is an HEIC picture, which this browser cannot read. Save it as JPEG and open that."
    )
    visit.page.set_input_files("#file", [note, three[0]])
    visit.until("fer.error.startsWith('note.png is not a picture')")
    assert visit.page.is_visible("#album")
    visit.page.click("#next")
    visit.until("fer.frames === 1")
    assert visit.fer("error") is None
